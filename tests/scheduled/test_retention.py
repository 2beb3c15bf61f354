"""Each kind of data goes after its period, and not before."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, select

from bot.rendering import texts_for
from bot.retention import RULES, swept, would_go
from bot.settings import Settings
from bot.texts import LANGUAGES
from scheduled import retention
from storage.audit import Filter
from storage.base import Base
from storage.broadcasts import BroadcastKind, Mute
from storage.conversations import Conversation, Draft, Update
from storage.counted import CountedMessage
from storage.database import Database
from storage.deliveries import Delivery, Notice, Outgoing, Sent, subject
from storage.files import File
from storage.grants import Role
from storage.groups import Membership
from storage.people import Account, Chat, ChatKind, ChatState, Person
from storage.polls import Ballot, Electorate
from storage.reports import Report
from storage.rooms import POLL, Card
from storage.sessions import WebSession
from storage.store import Store
from storage.threads import Thread, ThreadMessage
from tests.bot.test_photos import encoded
from tests.bot_api import BotApi
from tests.conftest import NOW
from tests.people import STORY, report
from tests.stage import Stage


async def after(stage: Stage, period: timedelta) -> None:
    stage.clock.advance_to(stage.clock.now() + period)
    await stage.db.write(lambda store: retention.sweep(store, stage.clock.now()))


async def count(stage: Stage, model: type[Base]) -> int:
    wanted = select(func.count()).select_from(model)
    return await stage.db.read(lambda store: int(store.session.execute(wanted).scalar_one()))


async def test_a_draft_goes_after_thirty_days_with_its_photos(stage: Stage) -> None:
    teacher = await stage.newcomer()
    await teacher.say("témoigner")
    await teacher.send_photo(encoded("JPEG"))
    await after(stage, timedelta(days=29))
    assert (await count(stage, Draft), await count(stage, File)) == (1, 1)
    await after(stage, timedelta(days=2))
    assert (await count(stage, Draft), await count(stage, File)) == (0, 0)


async def test_that_a_message_counts_is_forgotten_after_thirty_days(stage: Stage) -> None:
    await stage.newcomer()
    await stage.db.write(lambda store: store.counted.add("reports", [(1, "$1", STORY)], NOW))
    await after(stage, timedelta(days=29))
    assert await count(stage, CountedMessage) == 1
    await after(stage, timedelta(days=2))
    assert await count(stage, CountedMessage) == 0


async def test_a_passer_by_goes_and_an_author_stays(stage: Stage) -> None:
    author = await stage.newcomer()
    await report(author)
    await stage.newcomer()
    secretary = await stage.invited(Role.secretariat)
    await after(stage, timedelta(days=31))
    assert await count(stage, Account) == 2
    assert await count(stage, Report) == 1
    assert secretary.seen


async def test_how_to_reach_an_author_goes_after_a_year(stage: Stage) -> None:
    await report(await stage.newcomer())
    await stage.invited(Role.secretariat)
    await after(stage, timedelta(days=364))
    assert await count(stage, Account) == 2
    await after(stage, timedelta(days=2))
    assert (await count(stage, Account), await count(stage, Chat)) == (1, 1), "a member stays"
    assert (await count(stage, Report), await count(stage, Person)) == (1, 2)


async def test_a_conversation_goes_after_ninety_days(stage: Stage) -> None:
    parent = await stage.newcomer()
    await report(parent)
    await parent.say("Une phrase gardée.")
    kept = select(Conversation.kept)

    async def said() -> Any:
        return await stage.db.read(lambda store: store.session.execute(kept).scalar())

    await after(stage, timedelta(days=29))
    assert await said()
    assert await count(stage, Update) == 0
    await after(stage, timedelta(days=2))
    assert await said() is None
    assert await count(stage, Delivery) > 0
    await after(stage, timedelta(days=60))
    assert (await count(stage, Delivery), await count(stage, Notice)) == (0, 0)
    assert await count(stage, WebSession) == 0


async def test_who_is_in_a_group_stays_as_long_as_a_contact(stage: Stage) -> None:
    await stage.newcomer()
    now = stage.clock.now()
    await stage.db.write(lambda store: store.groups.join(1, 1, now))
    await after(stage, timedelta(days=31))
    assert (await count(stage, Account), await count(stage, Membership)) == (1, 1)
    await after(stage, timedelta(days=335))
    assert (await count(stage, Account), await count(stage, Membership)) == (0, 0)


async def test_a_thread_keeps_its_writer_for_a_year(stage: Stage) -> None:
    parent = await stage.newcomer()
    await parent.say("secrétariat")
    await parent.say("Une question.")
    await after(stage, timedelta(days=31))
    assert (await count(stage, Account), await count(stage, Thread)) == (1, 1)
    await after(stage, timedelta(days=333))
    assert (await count(stage, Thread), await count(stage, ThreadMessage)) == (1, 1)
    await after(stage, timedelta(days=2))
    assert (await count(stage, Thread), await count(stage, ThreadMessage)) == (0, 0)


async def test_the_members_of_a_closed_group_are_kept_for_a_year(stage: Stage) -> None:
    await stage.invited(Role.member)  # who stays, so that only the group's period counts
    now = stage.clock.now()

    def close(store: Store) -> None:
        store.groups.join(1, 1, now)
        store.groups.join(2, 1, now)
        store.groups.close(1, now)

    await stage.db.write(close)
    await after(stage, timedelta(days=364))
    assert await count(stage, Membership) == 2
    await after(stage, timedelta(days=2))
    assert await stage.db.read(lambda store: list(store.groups.of_person(1))) == [2]


async def test_who_does_not_come_back_is_named_no_more(stage: Stage) -> None:
    """Their name, and what they asked not to be sent, go with the way to reach them."""
    await stage.newcomer()
    now = stage.clock.now()

    def belong(store: Store) -> None:
        store.people.get(1).name = "Ada Girafon"
        store.broadcasts.mute(1, BroadcastKind, now)
        store.groups.join(1, 1, now)

    async def named() -> bool:
        bodies = await stage.db.read(
            lambda store: list(store.session.scalars(select(Delivery.body)))
        )
        return "Girafon" in str(bodies)

    await stage.db.write(belong)
    stage.clock.advance_to(now + timedelta(days=364))
    member = await stage.invited(Role.member)
    await stage.db.write(lambda store: store.groups.join(1, 2, stage.clock.now()))
    await member.say("groupes")
    await member.press("Les usages")
    await member.press("Voir les membres")
    assert (await named(), await count(stage, Mute)) == (True, len(BroadcastKind))
    await after(stage, timedelta(days=2))
    assert (await named(), await count(stage, Mute)) == (False, 0)


async def test_who_is_active_on_telegram_stays_and_who_is_silent_goes(
    settings: Settings, db: Database
) -> None:
    """There no session says when somebody was last seen."""
    async with BotApi() as api:
        stage = Stage(settings, db, NOW, api)
        await stage.open()
        active = await stage.newcomer()
        await stage.newcomer()
        for _ in range(31):
            stage.clock.advance_to(stage.clock.now() + timedelta(days=1))
            await active.say("menu")
        await active.say("témoigner")
        await active.say("Le wifi du collège tombe tous les jours à dix heures.")
        await after(stage, timedelta(hours=2))
        assert (await count(stage, Account), await count(stage, Draft)) == (1, 1)
        await active.say("annuler")
        await after(stage, timedelta(days=31))
        assert (await count(stage, Account), await count(stage, Chat)) == (0, 0)
        await stage.close()


async def test_what_was_held_goes_before_it_could_be_applied_twice(db: Database) -> None:
    """Its platform was turned off; as long as updates are known, the next run applies it."""

    def held_after(period: timedelta) -> int:
        db.write_now(lambda store: retention.sweep(store, NOW + period))
        return len(db.read_now(lambda store: store.inbox.waiting("telegram")))

    db.write_now(lambda store: store.inbox.hold("telegram", "5", {"text": "mots"}, NOW, "7"))
    assert held_after(timedelta(days=6)) == 1, "a holiday of the server loses nothing"
    assert held_after(timedelta(days=8)) == 0


async def test_cards_of_groups_that_we_left_go(db: Database) -> None:
    """And those that stand nowhere; one that stands stays."""

    def prepare(store: Store) -> None:
        poll = store.polls.open(
            "Que faire ?",
            electorate=Electorate.public,
            closes_at=NOW + timedelta(days=1),
            now=NOW,
            options=("Réseau", "Tablettes"),
        ).id
        for number, state in enumerate([ChatState.active, ChatState.left, ChatState.active]):
            chat = store.people.chat("telegram", f"-{number}", ChatKind.group)
            store.people.mark_chat(chat.id, state)
            store.rooms.show(chat.id, POLL, poll, NOW)
            if number < 2:
                card = Outgoing({}, subject=subject(POLL, poll))
                [delivery] = store.deliveries.queue(chat.id, "", [card], NOW)
                store.deliveries.sent([Sent(delivery, chat.id, "9")], NOW)

    def shown(store: Store) -> list[int]:
        return list(store.session.scalars(select(Card.chat_id).order_by(Card.chat_id)))

    db.write_now(prepare)
    assert db.read_now(shown) == [1, 2, 3]
    db.write_now(lambda store: retention.sweep(store, NOW))
    assert db.read_now(shown) == [1]


async def test_the_number_of_a_withdrawn_report_goes_after_thirty_days(stage: Stage) -> None:
    await report(await stage.newcomer())
    await stage.db.write(
        lambda store: store.withdraw_report(store.reports.written_by(1)[0], stage.clock.now())
    )
    await after(stage, timedelta(days=29))
    assert await count(stage, Report) == 1
    await after(stage, timedelta(days=2))
    assert await count(stage, Report) == 0


async def test_who_voted_in_a_consultation_is_detached_two_months_later(stage: Stage) -> None:
    await stage.newcomer()
    closing = stage.clock.now() + timedelta(days=1)

    def vote(store: Store) -> None:
        for electorate in (Electorate.public, Electorate.members):
            store.grants.give(1, Role.delegate, stage.clock.now())
            store.session.flush()
            poll = store.polls.open(
                "Une question ?", electorate=electorate, closes_at=closing, now=stage.clock.now()
            )
            store.polls.cast(poll.id, 1, [0], stage.clock.now(), as_member=True)
            store.polls.close(poll.id, closing)

    await stage.db.write(vote)
    cast = select(Ballot.cast_by).order_by(Ballot.poll_id)

    async def voters() -> list[int | None]:
        return await stage.db.read(lambda store: list(store.session.scalars(cast)))

    await after(stage, timedelta(days=60))
    assert await voters() == [1, 1]
    await after(stage, timedelta(days=2))
    assert await voters() == [None, 1], "members answer for their votes"


def test_every_rule_has_its_words_in_every_language() -> None:
    for language in LANGUAGES:
        texts = texts_for(language, ZoneInfo("UTC"))
        for rule in RULES:
            said = texts.plain("retention.line", {"rule": rule})
            assert texts.plain(f"retention.{rule.name}_why")
            assert said.endswith("."), rule.name


async def test_a_dry_run_says_what_a_sweep_then_does_and_touches_nothing(stage: Stage) -> None:
    teacher = await stage.newcomer()
    await teacher.say("témoigner")
    await teacher.say("Un début de récit.")
    now = stage.clock.now() + timedelta(days=40)

    def everything(store: Store) -> dict[str, list[tuple[Any, ...]]]:
        return {
            name: [tuple(row) for row in store.session.execute(select(table))]
            for name, table in Base.metadata.tables.items()
        }

    before = await stage.db.read(everything)
    said = await stage.db.write(lambda store: would_go(store, now))
    assert await stage.db.read(everything) == before
    assert said["drafts"]["drafts"] == 1
    assert said["passers_by"]["accounts"] == 1
    done = await stage.db.write(lambda store: swept(store, now))
    assert done == said


async def test_a_sweep_that_removed_something_is_noted_by_rule(stage: Stage) -> None:
    teacher = await stage.newcomer()
    await teacher.say("témoigner")
    await teacher.say("Un début de récit.")
    await after(stage, timedelta(hours=1))

    def noted(store: Store) -> list[dict[str, Any]]:
        entries = store.audit.latest(Filter(noun="privacy"))
        return [one for one in map(store.audit.details_of, entries) if one is not None]

    assert await stage.db.read(noted) == []
    await after(stage, timedelta(days=40))
    [details] = await stage.db.read(noted)
    assert details["drafts"] == {"drafts": 1}
