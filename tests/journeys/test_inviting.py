"""The secretariat invites: by a code to pass on, or by writing to somebody on Matrix."""

import itertools
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import func, select

from bot.messages import Incoming
from bot.platforms.base import Call, SendFailed
from bot.service import Service
from bot.settings import Settings
from scheduled import jobs
from storage.broadcasts import Audience, AudienceKind, BroadcastKind
from storage.database import Database
from storage.deliveries import Failure
from storage.grants import Role
from storage.invitations import Invitation
from storage.limits import INVITATIONS
from storage.people import Account, Chat, ChatState
from storage.recommendations import Theme
from storage.store import Store
from tests.conftest import NOW
from tests.people import Answer, Guest, Someone, report
from tests.rooms import Message, Messenger
from tests.stage import Stage

pytestmark = pytest.mark.web
JEANNE = "@jeanne.dupont:example.org"
CODE = re.compile(r"(?:[A-Z0-9]{4}-){3}[A-Z0-9]{4}")


class Homeserver(Messenger):
    """A Matrix server as the core sees it: a room is opened for who has none yet."""

    name = "matrix"

    def __init__(self) -> None:
        super().__init__()
        self.rooms: dict[str, str] = {}

    async def call(self, call: Call) -> str:
        if call.chat.startswith("@"):
            room = self.rooms.setdefault(call.chat, f"!room{len(self.rooms)}")
            raise SendFailed(Failure.not_found, moved_to=room)
        return await super().call(call)


class Town:
    """The secretariat at its page, and people on Matrix."""

    def __init__(self, stage: Stage, homeserver: Homeserver) -> None:
        self.stage = stage
        self.homeserver = homeserver
        self._ids = itertools.count()

    def room(self, user_id: str = JEANNE) -> list[Message]:
        """What stands in somebody's room, oldest first."""
        room = self.homeserver.rooms.get(user_id, "")
        return list(self.homeserver.chats.get(room, {}).values())

    async def says(self, text: str, user_id: str = JEANNE, room: str = "", **more: Any) -> Message:
        """Somebody on Matrix says something in their room; the newest message after it."""
        room = self.homeserver.rooms.setdefault(user_id, room)
        await self.stage.service.dispatcher.receive(
            Incoming(
                platform="matrix",
                chat=room,
                sender=user_id,
                update_id=f"${next(self._ids)}",
                received_at=self.stage.clock.now(),
                text=text,
                **more,
            )
        )
        await self.settle()
        return self.room(user_id)[-1]

    async def settle(self) -> None:
        await self.stage.settle()
        await self.stage.settle()  # what moved goes out at another try

    async def invites(self, role: str, *answers: str, secretary: Guest | None = None) -> Answer:
        """The secretariat goes through all questions; what it is answered."""
        secretary = secretary or await self.stage.guest(Role.secretariat)
        said = await begins(secretary)
        for answer in (role, *answers):
            said = await secretary.say(answer)
        if "Pour qui ?" in said:
            said = await secretary.say("passer")
        if "Relisez avant d'envoyer." in said:
            said = await secretary.press("Inviter")
        await self.settle()
        return said


async def begins(secretary: Someone) -> Answer:
    """Ask for a new invitation, whether some serve already or not."""
    asked = await secretary.say("inviter")
    return await secretary.press("Faire une invitation") if "en cours" in asked else asked


async def town_of(settings: Settings, db: Database) -> Town:
    stage, homeserver = Stage(settings, db, NOW), Homeserver()
    stage.service = Service(settings, db, stage.clock, [stage.web, homeserver], jobs(settings))
    await stage.open()
    await stage.organisation("amf", "AMF")
    return Town(stage, homeserver)


@pytest.fixture
async def town(settings: Settings, db: Database) -> AsyncIterator[Town]:
    served = {
        "matrix_homeserver": "https://matrix.example.org",
        "matrix_user": "@preau:example.org",
        "matrix_password": SecretStr("secret"),
        "matrix_allowed_servers": ["example.org", ".tchap.example"],
        "public_url": "http://preau.example.org",
    }
    made = await town_of(settings.model_copy(update=served), db)
    yield made
    await made.stage.close()


async def count(town: Town, model: type[Any]) -> int:
    wanted = select(func.count()).select_from(model)
    return int(await town.stage.db.read(lambda store: store.session.execute(wanted).scalar_one()))


async def roles(town: Town, user_id: str = JEANNE) -> set[Role]:
    def look(store: Store) -> set[Role]:
        account = store.people.account("matrix", user_id)
        assert account is not None
        mandates = store.organisations.mandates_of(account.person_id, NOW)
        held = store.grants.roles_of(account.person_id, NOW)
        return {*held, *(Role(one.kind) for one in mandates)}

    return await town.stage.db.read(look)


# By a code


async def test_a_code_is_passed_on_and_redeemed(town: Town) -> None:
    made = await town.invites("titulaire", "AMF", "un lien")
    [code] = set(CODE.findall(made.text))
    assert f"http://preau.example.org/#code={code}" in made
    assert "jusqu'au 18 janvier 2027" in made
    welcome = await town.says(code, room="!own")
    assert "Votre invitation est acceptée. Votre rôle : titulaire." in welcome.text
    assert "Vous parlez pour : AMF." in welcome.text
    assert await roles(town) == {Role.delegate}


@pytest.mark.parametrize(
    ("role", "given"),
    [
        ("Membre d'un groupe de travail", Role.member),
        ("Animation d'un groupe de travail", Role.chair),
        ("Rapport d'un groupe de travail", Role.rapporteur),
    ],
)
async def test_a_role_in_a_group_is_asked_for_its_group(town: Town, role: str, given: Role) -> None:
    made = await town.invites(role, "Le réseau et le matériel", "un code")
    welcome = await town.says(CODE.findall(made.text)[0], room="!own")
    assert "Mon groupe : Le réseau et le matériel" in welcome.labels
    assert await roles(town) == {given}


async def test_what_is_reviewed_is_what_is_made(town: Town) -> None:
    secretary = await town.stage.guest(Role.secretariat)
    await secretary.say("inviter")
    asked = await secretary.press("Suppléance d'une organisation")
    assert asked.labels == ["AMF"]
    await secretary.press("AMF")
    await secretary.say("@Jeanne.Dupont:example.org")
    review = await secretary.press("Passer")
    for words in ("Suppléance d'une organisation", "AMF", JEANNE, "pendant sept jours"):
        assert words in review
    await secretary.press("Modifier une réponse")
    await secretary.press("Personne")
    assert "Un code à transmettre" in await secretary.press("Un code à transmettre")
    assert CODE.search((await secretary.press("Inviter")).text)
    assert town.homeserver.rooms == {}


async def test_without_matrix_only_a_code_is_made(settings: Settings, db: Database) -> None:
    town = await town_of(settings, db)
    made = await town.invites("relecture")
    assert CODE.search(made.text)
    await town.stage.close()


async def test_only_the_secretariat_invites(town: Town) -> None:
    for role in (Role.reviewer, Role.member):
        other = await town.stage.guest(role)
        assert "Votre compte ne permet pas" in await other.say("inviter")


async def test_nobody_invites_too_often(town: Town) -> None:
    secretary = await town.stage.guest(Role.secretariat)
    for _ in range(INVITATIONS.at_most or 0):
        assert CODE.search((await town.invites("relecture", "lien", secretary=secretary)).text)
        town.stage.clock.advance_to(town.stage.clock.now() + timedelta(minutes=1))
    made = await count(town, Invitation)
    said = await town.invites("relecture", "lien", secretary=secretary)
    assert "Vous avez fait beaucoup d'invitations." in said
    await secretary.say("annuler")
    assert await count(town, Invitation) == made
    assert CODE.search((await town.invites("relecture", "lien")).text), "others still may"
    town.stage.clock.advance_to(NOW + timedelta(hours=1))
    assert CODE.search((await town.invites("relecture", "lien", secretary=secretary)).text)


# On Matrix


async def test_somebody_is_written_to_and_accepts_by_a_number(town: Town) -> None:
    said = await town.invites("titulaire", "AMF", JEANNE)
    assert f"Préau écrit à {JEANNE}." in said
    [letter] = town.room()
    for words in (
        "Bonjour, je suis Préau, un assistant automatique.",
        "Le secrétariat du comité vous propose un rôle : titulaire.",
        "Vous parlerez pour : AMF.",
        "Le secrétariat du comité lit vos messages.",
        "18 janvier 2027",
    ):
        assert words in letter.text
    assert letter.labels == ["Oui, j'accepte", "Non, ne plus m'écrire", "Lire la notice complète"]
    assert not CODE.search(letter.text), "it need not be typed, nor shown"
    assert await roles(town) == set(), "nothing is given before they accept"
    welcome = await town.says("1")
    assert "Votre invitation est acceptée. Votre rôle : titulaire." in welcome.text
    assert await roles(town) == {Role.delegate}
    assert await count(town, Chat) == 2, "that of the secretariat and theirs"


async def test_what_is_said_before_the_letter_came_answers_nothing_in_it(town: Town) -> None:
    town.homeserver.failure = SendFailed(Failure.refused, wait=3600, absent=True)
    await town.invites("relecture", JEANNE)
    town.homeserver.failure = None
    for words in ("1", "oui, j'accepte"):
        assert "Votre invitation est acceptée" not in (await town.says(words)).text
    assert await roles(town) == set()
    await town.stage.service.dispatcher.came("matrix", [town.homeserver.rooms[JEANNE]])
    await town.settle()
    assert "vous propose un rôle : relecture" in town.room()[-1].text
    assert "À quoi répond « 1 » ?" in (await town.says("1")).text, "or to what was said before"
    assert "Votre invitation est acceptée." in (await town.says("Oui, j'accepte.")).text
    assert await roles(town) == {Role.reviewer}


async def test_a_contributor_is_welcomed(town: Town) -> None:
    await town.invites("aucun", JEANNE)
    assert "vous invite à raconter votre expérience ici" in town.room()[-1].text
    assert "Racontez tout de suite" in (await town.says("1")).text


@pytest.mark.parametrize("words", ["Oui, j'accepte", "oui", "J'accepte !", "1"])
async def test_it_is_accepted_in_words_below_the_letter(town: Town, words: str) -> None:
    await town.invites("relecture", JEANNE)
    room = town.homeserver.chats[town.homeserver.rooms[JEANNE]]
    letter = list(room)[-1]
    await town.says("menu")
    assert "Votre invitation est acceptée." in (await town.says(words, replied=letter)).text


async def test_it_is_accepted_by_its_label_whatever_was_said_since(town: Town) -> None:
    await town.invites("relecture", JEANNE)
    for words in ("menu", "aide"):
        await town.says(words)
    assert "Votre invitation est acceptée." not in (await town.says("oui")).text
    assert "Votre invitation est acceptée." in (await town.says("oui j'accepte")).text


async def test_who_declines_is_written_to_no_more(town: Town) -> None:
    secretary = await town.stage.guest(Role.secretariat)
    await town.invites("relecture", JEANNE, secretary=secretary)
    told = await town.says("2")
    assert "Votre invitation est refusée : relecture." in await secretary.look()
    assert "Préau ne vous écrira plus." in told.text
    assert await roles(town) == set()
    stood = len(town.room())
    said = await town.invites("relecture", JEANNE)
    assert "Cette personne ne veut plus que Préau lui écrive." in said
    assert len(town.room()) == stood
    await town.says("bonjour")
    assert "Préau écrit à" in await town.invites("relecture", JEANNE), "they came back"


async def test_who_has_a_chat_is_written_to_there(town: Town) -> None:
    await town.says("bonjour", room="!own")
    stood = len(town.room())
    await town.invites("relecture", JEANNE)
    assert town.homeserver.rooms == {JEANNE: "!own"}
    assert len(town.room()) == stood + 1
    assert "je suis Préau" not in town.room()[-1].text, "they met"
    assert "relecture" in (await town.says("oui, j'accepte")).text


async def test_who_wrote_from_another_room_meanwhile_is_written_to_there(town: Town) -> None:
    town.homeserver.failure = SendFailed(Failure.unreachable, wait=60)
    await town.invites("relecture", JEANNE)
    town.homeserver.failure = None
    room = town.homeserver.rooms[JEANNE]
    await town.says("bonjour")
    town.stage.clock.advance_to(NOW + timedelta(hours=1))
    await town.settle()
    assert town.homeserver.rooms == {JEANNE: room}
    assert any("vous propose un rôle" in one.text for one in town.room())


async def test_who_left_is_asked_in_another_room(town: Town) -> None:
    await town.invites("relecture", JEANNE)
    room = town.homeserver.rooms.pop(JEANNE)
    await town.stage.service.dispatcher.lost("matrix", room, Failure.removed, "$left", NOW)
    town.homeserver.rooms["@other:example.org"] = room  # so that the next has another name
    await town.invites("relecture", JEANNE)
    assert town.homeserver.rooms[JEANNE] != room
    assert "relecture" in (await town.says("1")).text


async def test_who_did_not_accept_is_sent_no_broadcast(town: Town) -> None:
    def reached(store: Store) -> int:
        everyone = Audience(AudienceKind.everyone)
        return store.broadcasts.count(everyone, BroadcastKind.news, NOW)

    before = await town.stage.db.read(reached)
    await town.invites("relecture", JEANNE)
    assert await town.stage.db.read(reached) == before + 1, "the secretary who invites"
    await town.says("1")
    assert await town.stage.db.read(reached) == before + 2


async def test_who_asked_for_no_broadcast_still_gets_none(town: Town) -> None:
    await town.says("bonjour", room="!own")
    town.stage.clock.advance_to(NOW + timedelta(minutes=1))
    await town.says("stop")
    await town.invites("relecture", JEANNE)
    assert "relecture" in (await town.says("oui, j'accepte")).text

    def muted(store: Store) -> int:
        account = store.people.account("matrix", JEANNE)
        assert account is not None
        return len(store.broadcasts.muted_by(account.person_id))

    assert await town.stage.db.read(muted) == len(BroadcastKind)


async def test_an_invitation_that_is_revoked_gives_nothing(town: Town) -> None:
    """Whether its letter has been sent, or still waits."""
    secretary = await town.stage.guest(Role.secretariat)
    await town.invites("relecture", JEANNE, secretary=secretary)
    town.homeserver.failure = SendFailed(Failure.unreachable, wait=3600)
    await town.invites("relecture", "@other:example.org", secretary=secretary)
    town.homeserver.failure = None
    for _ in range(2):
        await secretary.say("inviter")
        await secretary.press("relecture, jusqu'au")
        await secretary.press("Annuler")
        assert "elle ne sert plus" in await secretary.press("Oui, l'annuler")
    town.stage.clock.advance_to(NOW + timedelta(hours=2))
    await town.settle()
    assert town.room("@other:example.org") == []
    assert "Cette invitation ne sert plus." in (await town.says("1")).text
    assert await roles(town) == set()


async def test_an_invitation_that_ended_is_not_sent(town: Town) -> None:
    town.homeserver.failure = SendFailed(Failure.unreachable, wait=3600)
    await town.invites("relecture", JEANNE)
    town.homeserver.failure = None
    town.stage.clock.advance_to(NOW + timedelta(days=8))
    await town.settle()
    assert town.room() == []


async def test_a_choice_serves_once(town: Town) -> None:
    await town.invites("relecture", JEANNE)
    await town.says("1")
    town.stage.clock.advance_to(NOW + timedelta(hours=1))
    letter = town.room()[0]

    async def press(label: str) -> str:
        room = town.homeserver.rooms[JEANNE]
        incoming = Incoming("matrix", room, JEANNE, label, NOW, choice=letter.action(label))
        await town.stage.service.dispatcher.receive(incoming)
        await town.settle()
        return town.room()[-1].text

    for label in ("Oui", "Non"):
        assert "Ce code n'ouvre rien" in await press(label)
    state = select(Chat.state).join(Account, Chat.account_id == Account.id)
    ours = state.where(Account.platform == "matrix")
    found = await town.stage.db.read(lambda store: store.session.execute(ours).scalar_one())
    assert found is ChatState.active, "who accepted did not decline"


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("jeanne.dupont", "Ce n'est pas un identifiant Matrix."),
        ("@jeanne", "Ce n'est pas un identifiant Matrix."),
        ("@jeanne:", "Ce n'est pas un identifiant Matrix."),
        ("@jeanne dupont:example.org", "Ce n'est pas un identifiant Matrix."),
        ("@jeanne:example.org/x", "Ce n'est pas un identifiant Matrix."),
        (f"@{'j' * 250}:example.org", "Ce n'est pas un identifiant Matrix."),
        ("@jeanne:elsewhere.org", "Préau n'écrit pas aux comptes de ce serveur."),
        ("@jeanne:tchap.example", "Préau n'écrit pas aux comptes de ce serveur."),
        ("@Preau:example.org", "C'est le compte de Préau lui-même."),
        ("https://matrix.to/#/@preau:example.org", "C'est le compte de Préau lui-même."),
        (
            "https://matrix.to/#/@jeanne:elsewhere.org",
            "Préau n'écrit pas aux comptes de ce serveur.",
        ),
        ("https://matrix.to/#/!room:example.org", "Ce n'est pas un identifiant Matrix."),
        ("https://matrix.to/#/@jeanne:example.org/$event", "Ce n'est pas un identifiant Matrix."),
        ("https://example.org/#/@jeanne:example.org", "Ce n'est pas un identifiant Matrix."),
    ],
)
async def test_who_cannot_be_written_to(town: Town, typed: str, why: str) -> None:
    secretary = await town.stage.guest(Role.secretariat)
    await secretary.say("inviter")
    await secretary.press("Relecture")
    said = await secretary.say(typed)
    assert why in said
    assert "Qui inviter ?" in said
    await secretary.say("@jeanne:agent.tchap.example")
    assert "@jeanne:agent.tchap.example" in await secretary.press("Passer")


@pytest.mark.parametrize(
    "link",
    [
        "https://matrix.to/#/@jeanne:agent.tchap.example",
        "https://matrix.to/#/%40Jeanne%3Aagent.tchap.example",
        " https://matrix.to/#/@jeanne:agent.tchap.example?via=example.org&via=tchap.example ",
    ],
)
async def test_the_link_to_an_account_is_as_good_as_its_id(town: Town, link: str) -> None:
    secretary = await town.stage.guest(Role.secretariat)
    await secretary.say("inviter")
    await secretary.press("Relecture")
    await secretary.say(link)
    review = await secretary.press("Passer")
    assert "Relisez avant d'envoyer." in review
    assert "@jeanne:agent.tchap.example" in review
    assert "matrix.to" not in review


async def test_whom_it_may_write_to_is_looked_at_again(town: Town) -> None:
    secretary = await town.stage.guest(Role.secretariat)
    await secretary.say("inviter")
    await secretary.press("Relecture")
    await secretary.say("@jeanne:agent.tchap.example")
    await secretary.press("Passer")
    town.stage.settings.matrix_allowed_servers.remove(".tchap.example")
    assert "Préau n'écrit pas aux comptes de ce serveur." in await secretary.press("Inviter")
    assert await count(town, Invitation) == 1, "that of the secretary"


async def test_our_own_server_is_that_of_the_account_that_logged_in(town: Town) -> None:
    login = {"user_id": "@preau:elsewhere.org"}
    await town.stage.db.write(lambda store: store.matrix.put("login", "", login))
    town.stage.settings.matrix_allowed_servers.clear()
    assert "Préau écrit à" in await town.invites("relecture", "@jeanne:elsewhere.org")


async def test_a_group_that_closed_meanwhile_has_no_role(town: Town) -> None:
    secretary = await town.stage.guest(Role.secretariat)
    await secretary.say("inviter")
    await secretary.press("Animation d'un groupe")
    await secretary.press("Le réseau et le matériel")
    await secretary.press("Un code")
    await secretary.press("Passer")

    def close(store: Store) -> None:
        for one in store.groups.all_open():
            store.groups.close(one.id, NOW)

    await town.stage.db.write(close)
    assert "Ce groupe de travail vient de fermer." in await secretary.press("Inviter")


async def test_a_reviewer_of_a_theme_reads_no_others(town: Town) -> None:
    made = await town.invites("relecture d'un thème", "Le réseau et le matériel", "un code")
    found = CODE.search(made.text)
    assert found, made.text
    reader = await town.stage.redeems(found[0])
    assert any("relecture (Le réseau et le matériel)" in one["text"] for one in reader.seen)
    first, second = await town.stage.guest(), await town.stage.guest()
    await report(first)
    other = await report(second)
    await town.stage.db.write(lambda store: on_another_theme(other, store))
    assert "Un témoignage attend" in await reader.say("modérer")
    assert "REX-2027-00001" in await reader.press("Lire le suivant")
    assert "Aucun autre témoignage n'attend." in await reader.press("Garder pour le comité")
    await reader.say("modérer")
    await reader.press("Ouvrir par numéro")
    assert "relève d'autres relecteurs" in await reader.say(other)
    assert "REX-2027-00001" in await reader.say("REX-2027-00001")
    await reader.say("modérer")
    await reader.press("Ouvrir par numéro")
    assert "Ce témoignage relève d'autres relecteurs" in await reader.say(other)
    assert "Votre prochain agenda" not in await reader.say("agenda")
    assert "relève d'autres" not in await reader.say(other), "as anybody"


def on_another_theme(number: str, store: Store) -> None:
    found = store.reports.numbered(number)
    assert found is not None
    found.theme = Theme.governance


async def test_only_an_administrator_invites_the_secretariat(town: Town) -> None:
    secretary = await town.stage.guest(Role.secretariat)
    asked = await secretary.say("inviter")
    assert "Secrétariat du comité" not in asked.labels
    assert "Secrétariat du comité" not in (await secretary.say("secrétaire")).text
    administrator = await town.stage.guest(Role.administrator)
    assert "Inviter" in "".join((await administrator.say("menu")).labels)
    assert "Votre compte ne permet pas" in await administrator.say("sondage")
    made = await town.invites("secrétaire", "un code", secretary=administrator)
    found = CODE.search(made.text)
    assert found, made.text
    newcomer = await town.stage.redeems(found[0])
    assert "Votre compte ne permet pas" not in await newcomer.say("sondage")
