"""The strict profile: the committee's own matters are kept off Telegram; all others stay there."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from bot.settings import Channels, Settings
from storage.database import Database
from storage.exports import Exported
from storage.grants import Role
from storage.groups import Belonging, Joining
from storage.organisations import MandateKind
from storage.store import Store
from tests.bot_api import BotApi
from tests.chats import Chatter
from tests.conftest import NOW
from tests.journeys.test_linking import code_in
from tests.journeys.test_polls import asked, opened
from tests.people import Answer, report
from tests.stage import Stage

ELSEWHERE = "Ce qui est réservé au comité ne se fait pas ici."
VEIL = "Un message du comité vous attend, et ne peut pas être lu ici."
NOT_ALLOWED = "Votre compte ne permet pas"


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
async def stage(settings: Settings, db: Database) -> AsyncIterator[Stage]:
    """People at the page and on Telegram, in the strict profile."""
    strict = settings.model_copy(update={"channels": Channels.strict})
    async with BotApi() as api:
        made = Stage(strict, db, NOW, api)
        await made.open()
        yield made
        await made.close()


async def chatter(stage: Stage, role: Role | None = None) -> Chatter:
    """Somebody with Telegram, and with a role that was given them elsewhere."""
    someone, now = stage.chatter(), stage.clock.now()
    await someone.start()

    def give(store: Store) -> None:
        newest = max(store.session.scalars(store.people.everybody()))
        if role is Role.delegate:
            store.organisations.appoint(newest, "amf", MandateKind.delegate, now)
        elif role is not None:
            store.grants.give(newest, role, now)

    await stage.db.write(give)
    return someone


async def test_the_secretariat_does_its_work_elsewhere(stage: Stage) -> None:
    secretary, parent = await chatter(stage, Role.secretariat), await chatter(stage)
    for command in ("sondage", "projet", "moderer", "diffuser", "inviter", "reunion"):
        refused = await secretary.say(command)
        assert ELSEWHERE in refused
        assert "Ouvrez la page web : http" in refused
        assert "écrivez-y « lier ». Envoyez ensuite ici le code reçu." in refused
        refused = await parent.say(command)
        assert NOT_ALLOWED in refused, "nothing is told to who has no role"
        assert ELSEWHERE not in refused
    assert "Relire" not in "".join((await secretary.say("menu")).labels)


async def test_members_vote_elsewhere_and_are_told_so(stage: Stage) -> None:
    await stage.organisation("amf", "AMF")
    secretary = await stage.guest(Role.secretariat)
    delegate = await chatter(stage, Role.delegate)
    await opened(stage, secretary, who="Les membres et les organisations")
    told = await delegate.look()
    assert VEIL in told
    assert "Un réseau fiable" not in told.text + "".join(told.labels)
    seen = await delegate.say("votes")
    assert "Seules les consultations publiques sont montrées ici." in seen
    assert ELSEWHERE in seen
    assert "Un réseau fiable" not in seen.text + "".join(seen.labels)
    delegate.user.start("vote-1")
    assert ELSEWHERE in await delegate.look()


async def test_what_is_everybodys_stays_on_telegram(stage: Stage) -> None:
    secretary, parent = await stage.guest(Role.secretariat), await chatter(stage)
    assert (await report(parent)).startswith("REX-2027-")
    await asked(secretary, "Tout le monde")
    opening = await parent.look()
    assert VEIL not in opening
    assert "Votre vote est compté : Du temps" in await parent.press("Du temps")


async def test_no_member_is_named_there_and_no_meeting_shown(stage: Stage) -> None:
    chair, now = await chatter(stage, Role.chair), stage.clock.now()

    def make(store: Store) -> None:
        person = max(store.session.scalars(store.people.everybody()))
        store.people.get(person).name = "Camille Martin"
        group = store.groups.make("Équité", Joining.open, None, now)
        store.groups.join(group.id, person, now)
        assert store.groups.standing(group.id, person) is Belonging.member

    await stage.db.write(make)
    await chair.say("groupes")
    group = await chair.press("Équité")
    assert "Équité" in group
    assert "Camille" not in group
    assert ELSEWHERE in await chair.press("Voir les membres")
    assert ELSEWHERE in await chair.say("agenda")


async def test_a_members_copy_of_their_data_is_not_given_there(stage: Stage) -> None:
    """It says who they voted for, and what they did; a contributor's says nothing of the kind."""
    secretary, parent = await chatter(stage, Role.secretariat), await chatter(stage)
    await secretary.say("données")
    assert ELSEWHERE in await secretary.press("Recevoir une copie")
    await parent.say("données")
    asked = await parent.press("Recevoir une copie")
    await stage.advance(timedelta(seconds=1))
    files = [*asked.files, *(await parent.look()).files]
    assert len(files) == 2
    assert not (await secretary.look()).files


async def test_no_table_of_the_committee_is_given_there(stage: Stage) -> None:
    """Nor to who sends a button of the secretariat's that they were never shown."""
    secretary, parent = await chatter(stage, Role.secretariat), await chatter(stage)
    for someone, words in ((secretary, ELSEWHERE), (parent, NOT_ALLOWED)):
        assert words in await someone.say("exporter")
        await someone.say("menu")
        for action in ("exports.ask:members", "exports.ask:own"):
            shown = someone.button("Mes données")
            answer = await someone.press_again(shown._replace(data=action))
            assert words in answer or "Ce choix n'est plus" in answer
    assert await stage.db.read(lambda store: store.exports.next_waiting()) is None
    elsewhere, now = await stage.guest(Role.secretariat), stage.clock.now()
    await elsewhere.say("exporter")
    await elsewhere.press("Les mandats")
    await stage.advance(timedelta(seconds=1))
    assert [one["type"] for one in (await elsewhere.look()).files] == ["text/csv"]
    await stage.db.write(lambda store: store.exports.ask(1, now, Exported.members))
    await stage.advance(timedelta(seconds=1))
    told = await secretary.look()
    assert VEIL in told
    assert told.files == []


@pytest.mark.parametrize("typed_on_telegram", [True, False])
async def test_a_role_that_is_on_telegram_alone_opens_elsewhere_once_confirmed(
    stage: Stage, typed_on_telegram: bool
) -> None:
    await stage.organisation("amf", "AMF")
    secretary = await stage.guest(Role.secretariat)
    delegate = await chatter(stage, Role.delegate)
    page = await stage.guest()
    first, other = (page, delegate) if typed_on_telegram else (delegate, page)
    await other.say(code_in((await first.say("lier")).text))
    await other.press("Oui")
    await first.look()
    waits = "Une personne du secrétariat doit donc confirmer."
    assert waits in await first.press("Oui")
    assert waits in await other.look()
    confirming = await secretary.look()
    assert "Telegram : " in confirming
    assert "pour AMF)" in confirming
    assert "(sans rôle)" in confirming
    await opened(stage, secretary, who="Les membres et les organisations")
    assert "Un réseau fiable" not in await page.say("votes"), "nothing is lent yet"
    await secretary.press("Oui, c'est la même personne")
    assert "Votre rôle est ouvert ici." in await page.look()
    assert "Un réseau fiable" in await page.say("votes")
    assert ELSEWHERE in await delegate.say("votes"), "on Telegram it still does not count"


async def test_a_page_that_is_theirs_already_opens_once_confirmed(stage: Stage) -> None:
    """It was linked before its person had a role."""
    secretary = await stage.guest(Role.secretariat)
    someone, page = await chatter(stage), await stage.guest()

    async def link() -> Answer:
        await someone.say(code_in((await page.say("lier")).text))
        await someone.press("Oui")
        await page.look()
        return await page.press("Oui")

    assert "à une seule personne : vous" in await link()
    await stage.db.write(lambda store: store.grants.give(2, Role.secretariat, stage.clock.now()))
    assert "Une personne du secrétariat doit donc confirmer." in await link()
    assert "Relire les témoignages" not in (await page.say("menu")).labels
    await secretary.look()
    await secretary.press("Oui, c'est la même personne")
    assert "Votre rôle est ouvert ici." in await page.look()
    assert "Relire les témoignages" in (await page.say("menu")).labels
