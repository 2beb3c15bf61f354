"""Links that lead somewhere: a report, and an invitation that a messenger redeems."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from bot.settings import Settings
from storage.database import Database
from storage.grants import Role
from storage.reports import Content, ReportKind
from storage.store import Store
from tests.conftest import NOW
from tests.rooms import Square
from tests.stage import Stage

pytestmark = pytest.mark.web  # on a messenger of its own, which is called as Telegram is
WRONG = "Ce code n'ouvre rien"


@pytest.fixture
async def square(settings: Settings, db: Database) -> AsyncIterator[Square]:
    stage = Stage(settings, db, NOW)
    yield await Square.opened(settings, db, stage)
    await stage.close()


async def invitation(square: Square, role: Role | None, *, uses: int = 1) -> str:
    expires = NOW + timedelta(days=7)
    return await square.stage.db.write(
        lambda store: store.invitations.invite(role=role, expires_at=expires, now=NOW, uses=uses)
    )


async def roles(square: Square, name: str) -> set[Role]:
    return set(
        await square.stage.db.read(
            lambda store: store.grants.roles_of(square.person_id(store, name), NOW)
        )
    )


async def test_an_invitation_is_redeemed_by_its_link_once(square: Square) -> None:
    code = await invitation(square, Role.secretariat)
    first, second = square.person("first"), await square.met("second")
    welcome = await first.say(f"/start invitation-{code}")
    assert "Votre invitation est acceptée. Votre rôle : secrétariat." in welcome.text
    assert "douze heures" not in welcome.text, "it does not close here"
    assert "Relire les témoignages" in welcome.labels
    assert WRONG in (await second.say(f"/start invitation-{code}")).text
    assert "est acceptée" in (await first.say(f"/start invitation-{code}")).text, "the same link"
    assert await roles(square, "first") == {Role.secretariat}
    assert await roles(square, "second") == set()


@pytest.mark.parametrize("typed", ["{}", "invitation {}", "Invitation : {}", " {} "])
async def test_its_code_may_be_typed(square: Square, typed: str) -> None:
    code = await invitation(square, Role.member)
    someone = await square.met("someone")
    await someone.say("témoigner")
    assert "est acceptée" in (await someone.say(typed.format(code.lower()))).text
    assert await roles(square, "someone") == {Role.member}


@pytest.mark.parametrize(
    "words",
    [
        "{}",
        "Bonjour, voici mon code : {}.",
        "Bonjour voici\nmon code : « {} » merci",
        "mon code est {}",
        "Il y a 2345 6789 2345 6789 et {}",
    ],
)
@pytest.mark.parametrize("spaced", [False, True])
async def test_its_code_may_be_said_in_a_sentence(square: Square, words: str, spaced: bool) -> None:
    code = await invitation(square, Role.member)
    typed = code.lower().replace("-", " ") if spaced else code
    someone = await square.met("someone")
    assert "est acceptée" in (await someone.say(words.format(typed))).text
    assert await roles(square, "someone") == {Role.member}


async def test_a_code_typed_with_spaces_is_one_inside_a_form_too(square: Square) -> None:
    code = await invitation(square, Role.member)
    someone = await square.met("someone")
    await someone.say("témoigner")
    assert "est acceptée" in (await someone.say(code.replace("-", " "))).text


async def test_a_story_in_which_a_code_stands_stays_a_story(square: Square) -> None:
    code = await invitation(square, Role.member)
    someone = await square.met("someone")
    await someone.say("témoigner")
    asked = await someone.say(f"On m'a donné un code, {code}, et rien ne marche.")
    assert "Question 2 sur" in asked.text
    assert await roles(square, "someone") == set()


async def test_a_code_said_to_a_group_gives_nothing(square: Square) -> None:
    code = await invitation(square, Role.member)
    await square.met("someone")
    spaced = code.lower().replace("-", " ")
    await square.receive("@someone", "#room", text=f"@preau {spaced}", in_group=True)
    assert await roles(square, "someone") == set()


async def test_a_code_given_to_two_at_once_serves_one(square: Square) -> None:
    code = await invitation(square, Role.secretariat)
    people = [await square.met(name) for name in ("one", "two")]
    said = await asyncio.gather(*(one.say(f"/start invitation-{code}") for one in people))
    assert sorted("est acceptée" in message.text for message in said) == [False, True]


async def test_wrong_codes_are_counted_and_all_sound_the_same(square: Square) -> None:
    used = await invitation(square, Role.member)
    await square.person("quick").say(f"/start invitation-{used}")
    guessing, good = square.person("guessing"), await invitation(square, Role.member)
    wrong = {
        (await guessing.say(f"/start invitation-{code}")).text
        for code in (used, *(f"BCDF-GHJK-MNPQ-{n:04}" for n in range(9)))
    }
    assert len(wrong) == 1
    assert "Trop de codes" in (await guessing.say(f"/start invitation-{good}")).text
    assert "est acceptée" in (await square.person("other").say(good)).text, "not for others"
    square.stage.clock.advance_to(NOW + timedelta(minutes=10))
    good = await invitation(square, Role.member)
    assert "est acceptée" in (await guessing.say(f"/start invitation-{good}")).text


async def test_where_roles_do_not_count_the_link_is_for_the_browser(square: Square) -> None:
    code = await invitation(square, Role.member)
    someone = await square.met("someone")
    assert "dans votre navigateur" in (await someone.say(code, signed_in=False)).text
    visitor = await square.stage.guest()
    assert "dans votre navigateur" in await visitor.say(code)
    assert "est acceptée" in (await someone.say(code)).text, "it was not used up"


async def test_an_invitation_without_a_role_welcomes(square: Square) -> None:
    code = await invitation(square, None, uses=3)
    for _ in range(2):
        assert "Bonjour, je suis Préau" in (await square.person("parent").say(code)).text


async def test_a_report_is_read_by_its_author_and_once_published_by_all(square: Square) -> None:
    author, reader = await square.met("author"), await square.met("reader")

    def submit(store: Store) -> str:
        content = Content("Le réseau tombait.", ReportKind.experience, None, True, "Le réseau")
        person = square.person_id(store, "author")
        return store.reports.submit(person, None, None, content, NOW).public_id

    number = await square.stage.db.write(submit)
    assert "Le réseau tombait." in (await author.say(f"/start report-{number}")).text
    for link in (number, "REX-2027-99999", "REX-2027-1", "1", ""):
        said = (await reader.say(f"/start report-{link}")).text
        assert "n'est pas publié" in said or "ne mène plus nulle part" in said

    def publish(store: Store) -> None:
        report = store.reports.numbered(number)
        assert report is not None
        store.reports.take(report, 1, NOW)
        store.reports.publish(report, 1, NOW)

    await square.stage.db.write(publish)
    shown = await reader.say(f"/start report-{number}")
    assert "Témoignage publié" in shown.text
    assert "Le réseau tombait." in shown.text
    assert "Qui peut lire" not in shown.text

    def withdraw(store: Store) -> None:
        report = store.reports.numbered(number)
        assert report is not None
        store.withdraw_report(report, NOW)

    await square.stage.db.write(withdraw)
    await square.settle()
    assert not any("Le réseau tombait." in one.text for one in reader.own), "it leaves every chat"


@pytest.mark.parametrize("link", ["vote-99", "vote-x", "meeting-0", "nothing-1", "vote", "-", "💥"])
async def test_a_link_to_nothing_says_so(square: Square, link: str) -> None:
    someone = await square.met("someone")
    said = (await someone.say(f"/start {link}")).text
    assert "n'est plus possible" in said or "ne mène plus nulle part" in said
