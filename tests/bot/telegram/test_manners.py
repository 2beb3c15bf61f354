"""How Telegram is used to be spoken to: presses, toasts, replies, edits, links, typing."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select

from bot.platforms.telegram import hints, platform
from storage.conversations import Draft
from storage.grants import Role
from storage.polls import Electorate
from storage.store import Store
from tests.bot_api import USERNAME, BotApi
from tests.chats import ON_SQLITE, Chatter
from tests.conftest import NOW
from tests.journeys.test_reports import photo
from tests.people import STORY, report
from tests.stage import Stage

pytestmark = ON_SQLITE


async def answers(stage: Stage) -> dict[str, object]:
    """The answers of the only draft."""
    state = await stage.db.read(lambda store: store.session.scalars(select(Draft.state)).one())
    found: dict[str, object] = state["answers"]
    return found


async def asked(stage: Stage) -> Chatter:
    """Somebody who is asked what they want to tell."""
    someone = stage.chatter()
    await someone.start()
    await someone.say("témoigner")
    return someone


async def opened(stage: Stage) -> None:
    """A poll for everybody."""

    def make(store: Store) -> None:
        store.polls.open(
            "Que faire ?",
            electorate=Electorate.public,
            closes_at=NOW + timedelta(days=1),
            now=NOW,
            options=("Réseau", "Tablettes"),
        )

    await stage.db.write(make)


# Presses


async def test_a_vote_changes_its_card_in_place_and_every_press_is_answered(stage: Stage) -> None:
    await opened(stage)
    someone = stage.chatter()
    await someone.start("vote-1")
    card = someone.user.chat.newest
    for label in ("Réseau", "Tablettes", "Tablettes"):
        answer = await someone.press(label)
        assert all(one["kind"] == "toast" or one["message"] == card.id for one in answer.events)
    assert card.edited >= 2
    assert len(someone.user.toasts) == 3
    assert someone.user.waits == 0


@pytest.mark.parametrize(
    "data",
    [
        "nothing.at_all",
        "polls.vote:99:1",
        "polls.vote:1:99",
        "polls.vote:1:1:1:1",
        "form.answer:report:kind:experience",
        "form.send:report",
        "reviews.publish:1",
        "people.do:broadcast",
        "people.leave_now",
        "link:vote-1",
        ":",
        "polls.vote:-1:1",
        "polls.vote:1:²",
        "é" * 32,
        "x" * 5000,
        "\x00",
    ],
)
async def test_a_forged_press_is_answered_and_does_nothing(stage: Stage, data: str) -> None:
    await opened(stage)
    someone = stage.chatter()
    await someone.start()
    someone.user.press(data=data)
    await someone.look()
    assert someone.user.waits == 0
    assert not [one for one in someone.seen if "numéro" in one["text"] and "erreur" in one["text"]]
    votes = "SELECT count(*) FROM ballots"
    counted = await stage.db.read(
        lambda store: store.session.connection().exec_driver_sql(votes).scalar()
    )
    assert counted == 0


async def test_a_press_of_what_cannot_be_seen_any_more_is_answered_anew(stage: Stage) -> None:
    await opened(stage)
    someone = stage.chatter()
    await someone.start("vote-1")
    count = len(someone.user.chat.from_bot)
    someone.user.press("Réseau", inaccessible=True)
    answer = await someone.look()
    assert someone.user.waits == 0
    assert "Réseau" in answer
    assert len(someone.user.chat.from_bot) == count + 1


async def test_a_press_on_a_message_of_another_chat_changes_only_ones_own(stage: Stage) -> None:
    """A modified client names any message: it is edited in the chat of who pressed, or not."""
    await opened(stage)
    victim, forger = stage.chatter("Victime"), stage.chatter("Autre")
    await victim.start("vote-1")
    await forger.start()
    before = victim.user.chat.newest.html
    body = {
        "id": "77",
        "from": forger.user.shown,
        "message": {**victim.user.chat.newest.as_json(), "chat": forger.user.chat.as_json()},
        "chat_instance": "1",
        "data": "polls.vote:1:0",
    }
    assert stage.api is not None
    stage.api.give("callback_query", body, forger.user.id)
    await forger.look()
    await victim.look()
    assert victim.user.chat.newest.html == before


async def test_games_and_inline_messages_are_only_acknowledged(stage: Stage, api: BotApi) -> None:
    someone = stage.chatter()
    await someone.start()
    count = api.counts["answercallbackquery"]
    shown = {"id": "78", "from": someone.user.shown, "chat_instance": "1"}
    api.give("callback_query", {**shown, "game_short_name": "jeu"}, someone.user.id)
    api.give("callback_query", {**shown, "inline_message_id": "9", "data": "x"}, someone.user.id)
    answer = await someone.look()
    assert not answer.messages
    async with asyncio.timeout(5):
        while api.counts["answercallbackquery"] < count + 2:  # noqa: ASYNC110 (nothing tells of it)
            await asyncio.sleep(0.01)
    assert api.counts["answercallbackquery"] == count + 2


async def test_who_presses_too_often_is_told_so(stage: Stage) -> None:
    someone = stage.chatter()
    await someone.start()
    for _ in range(63):
        someone.user.press(data="people.menu")
    await someone.look()
    assert someone.user.waits == 0
    assert [one for one in someone.user.toasts if "Vous allez très vite." in one.text]


async def test_who_writes_too_much_is_told_so_once(stage: Stage) -> None:
    someone = stage.chatter()
    await someone.start()
    for number in range(65):
        someone.user.say(f"bonjour {number}")
    answer = await someone.look()
    assert answer.text.count("Vous allez très vite.") == 1


async def test_a_press_after_the_erasure_begins_anew(stage: Stage) -> None:
    someone = stage.chatter()
    await someone.start()
    await someone.say("données")
    await someone.press("Tout effacer")
    farewell = await someone.say("effacer")
    assert "C'est effacé chez nous." in farewell
    await someone.press("Voir ce qui est gardé")
    assert someone.user.waits == 0
    assert "Vous n'avez pas de témoignage." in someone.user.chat.newest.text


async def test_the_farewell_comes_although_telegram_is_angry(stage: Stage, api: BotApi) -> None:
    someone = stage.chatter()
    await someone.start()
    await someone.say("données")
    await someone.press("Tout effacer")
    api.faults.refuse("sendMessage", retry_after=1)
    await someone.say("effacer")
    await asyncio.sleep(1.5)
    assert "C'est effacé chez nous." in someone.user.chat.newest.text
    welcome = await someone.say("le réseau est très lent")
    assert "Bonjour, je suis Préau" in welcome, "a newcomer again"
    assert "« le réseau est très lent »" in welcome.text.replace("\u202f", " ")


async def test_a_long_toast_is_an_alert_and_a_short_one_is_not(
    stage: Stage, api: BotApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = api.group()
    secretary = await stage.invited(Role.secretariat)
    assert isinstance(secretary, Chatter)
    await opened(stage)
    group.add_bot(secretary.user)
    secretary.user.say(f"/votes@{USERNAME}", in_group=group)
    await secretary.look()
    secretary.user.press("Montrer ici", chat=group)
    await secretary.look()
    shown = secretary.user.toasts[-1]
    assert (shown.text, shown.alert) == ("C'est montré ici.", False)
    monkeypatch.setattr(hints, "GLANCE", 50)
    secretary.user.press(data="reviews.publish:1", chat=group)
    await secretary.look()
    refused = secretary.user.toasts[-1]
    assert (refused.text[:25], refused.alert) == ("Cela se fait en privé, da", True)


async def test_a_press_while_the_database_is_away_is_answered_and_done_later(
    place: Stage,
) -> None:
    await opened(place)
    someone = place.chatter()
    await someone.start("vote-1")
    with place.database_away():
        someone.user.press("Réseau")
        await asyncio.sleep(0.5)
        assert "Préau ne répond pas en ce moment." in someone.user.toasts[-1].text
    answer = await someone.look()
    assert "Réseau" in answer, "the vote is counted once it can be"


# Replies, and numbers


async def test_a_number_in_reply_to_an_older_message_chooses_there(stage: Stage) -> None:
    someone = stage.chatter()
    await someone.start()
    await someone.say("menu")
    menu = someone.user.chat.newest
    await someone.say("témoigner")
    someone.user.say("1", reply_to=menu)
    answer = await someone.look()
    assert "Vous avez un brouillon" in answer or "Que voulez-vous raconter" in answer
    someone.user.say("999", reply_to=menu)
    await someone.look()
    someone.user.say("1", reply_to=someone.user.last)
    await someone.look()
    assert someone.user.waits == 0


async def test_a_number_in_reply_to_a_message_in_parts_chooses_there(stage: Stage) -> None:
    """What was said in several messages is known by each of them, or by the one with buttons."""
    someone = stage.chatter()
    await someone.start()
    await report(someone)
    await someone.say("mes témoignages")
    listed = someone.user.chat.newest
    await someone.say("menu")
    someone.user.say("1", reply_to=listed)
    answer = await someone.look()
    assert STORY[:20] in answer


# Links


async def test_who_comes_by_a_link_is_first_told_whom_they_talk_to(stage: Stage) -> None:
    await opened(stage)
    someone = stage.chatter()
    answer = await someone.start("vote-1")
    [notice, card] = answer.messages
    assert "je suis Préau, un assistant automatique" in notice["text"]
    assert "Le secrétariat du comité lit vos messages." in notice["text"]
    assert "Que faire ?" in card["text"]
    again = await someone.start("vote-1")
    assert len(again.messages) == 1


async def test_an_invitation_is_not_welcomed_twice(stage: Stage) -> None:
    code = await stage.db.write(
        lambda store: store.invitations.invite(
            role=None, expires_at=NOW + timedelta(days=1), now=NOW
        )
    )
    someone = stage.chatter()
    answer = await someone.start(f"invitation-{code}")
    assert answer.text.count("je suis Préau") == 1
    assert len(answer.messages) == 1


@pytest.mark.parametrize(
    "payload",
    ["vote-99", "meeting-99", "report-REX-2027-99999", "invitation-NOPE", "A" * 64, "_-" * 32, "0"],
)
async def test_a_link_to_nothing_is_answered_kindly(stage: Stage, payload: str) -> None:
    someone = stage.chatter()
    answer = await someone.start(payload)
    assert "je suis Préau" in answer.messages[0]["text"]
    assert len(answer.messages) == 2
    assert "erreur" not in answer


async def test_an_invitation_serves_who_opens_it_first(stage: Stage) -> None:
    expires = NOW + timedelta(days=1)
    code = await stage.db.write(
        lambda store: store.invitations.invite(role=Role.secretariat, expires_at=expires, now=NOW)
    )
    first, second = stage.chatter("Anna"), stage.chatter("Bruno")
    answer = await first.start(f"invitation-{code}")
    assert "Votre invitation est acceptée. Votre rôle : secrétariat." in answer
    assert "Ce code n'ouvre rien" in await second.start(f"invitation-{code}")
    assert "est acceptée" in await first.start(f"invitation-{code}"), "the same link again"


async def test_a_report_is_opened_by_its_link(stage: Stage) -> None:
    author, other = stage.chatter("Anna"), stage.chatter("Bruno")
    await author.start()
    number = await report(author)
    assert STORY in await author.start(f"report-{number}")
    assert STORY not in await other.start(f"report-{number}")


async def test_a_link_in_the_middle_of_a_form_keeps_the_draft(stage: Stage) -> None:
    await opened(stage)
    someone = await asked(stage)
    await someone.say(STORY)
    assert "Que faire ?" in await someone.start("vote-1")
    assert (await answers(stage))["story"] == STORY
    assert "Continuer mon témoignage" in (await someone.say("menu")).labels


# Typing


async def test_typing_is_shown_when_an_answer_takes_long(
    stage: Stage, api: BotApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "SLOW", 0.1)
    someone = await asked(stage)
    assert someone.user.chat.actions == []
    api.faults.slow("getFile", 0.4)
    someone.user.send_photo(photo())
    await someone.look()
    assert someone.user.chat.actions == ["typing"]
