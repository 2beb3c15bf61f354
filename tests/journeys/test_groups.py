"""Working groups: coming in, asking to, answering, leading, and closing."""

import asyncio
import time
from datetime import timedelta
from threading import Event

import pytest

from storage.grants import Role
from storage.groups import Joining, scope_of
from storage.meetings import Plan
from storage.people import Profile
from storage.store import Store
from tests.people import Someone
from tests.stage import Stage
from tests.storage.test_races import HELD

NETWORK = "Le réseau et le matériel"


async def newcomer(stage: Stage, profile: Profile = Profile.parent) -> Someone:
    """A contributor who said who they are before."""
    someone = await stage.newcomer()

    def say_who(store: Store) -> None:
        store.people.get(newest(store)).profile = profile

    await stage.db.write(say_who)
    return someone


def newest(store: Store) -> int:
    return max(store.session.scalars(store.people.everybody()))


async def on_request(stage: Stage, name: str = "Équité") -> int:
    """A group that one asks to join."""

    def make(store: Store) -> int:
        return store.groups.make(name, Joining.request, None, stage.clock.now()).id

    return await stage.db.write(make)


async def chair_of(stage: Stage, group_id: int, role: Role = Role.chair) -> Someone:
    """Somebody who redeems an invitation to lead a group, or to write for it."""
    now = stage.clock.now()
    code = await stage.db.write(
        lambda store: store.invitations.invite(
            role=role, scope=scope_of(group_id), now=now, expires_at=now + timedelta(days=7)
        )
    )
    return await stage.redeems(code)


@pytest.mark.parametrize(
    ("role", "offered"),
    [
        (Role.secretariat, ["Relire les témoignages", "Le courrier reçu"]),
        (Role.reviewer, ["Relire les témoignages"]),
        (Role.delegate, ["Les votes"]),
        (Role.substitute, ["Les votes"]),
        (Role.member, ["Les votes"]),
    ],
)
async def test_an_invitation_offers_first_what_one_comes_for(
    stage: Stage, role: Role, offered: list[str]
) -> None:
    await stage.organisation("amf", "AMF")
    speaks = "amf" if role in (Role.delegate, Role.substitute) else None
    guest = await stage.invited(role, speaks)
    assert labels_of(guest) == [*offered, "Dire mon nom", "Voir le menu"]


async def test_who_has_a_role_in_a_group_is_offered_its_work_and_the_group(stage: Stage) -> None:
    group = await on_request(stage)
    chair = await chair_of(stage, group)
    assert labels_of(chair) == [
        "Convoquer une réunion",
        "Mon groupe : Équité",
        "Dire mon nom",
        "Voir le menu",
    ]
    assert "Vous animez ce groupe." in await chair.press("Mon groupe")
    writer = await chair_of(stage, group, Role.rapporteur)
    assert labels_of(writer) == [
        "Mes réunions",
        "Mon groupe : Équité",
        "Dire mon nom",
        "Voir le menu",
    ]


def labels_of(someone: Someone) -> list[str]:
    """The buttons of the newest message."""
    return [choice["label"] for choice in someone.seen[-1]["choices"]]


async def see(someone: Someone, group: str) -> str:
    await someone.say("groupes")
    return (await someone.press(group)).text


async def join(someone: Someone, group: str = NETWORK) -> None:
    await see(someone, group)
    assert "Vous voilà dans le groupe." in await someone.press("Entrer dans ce groupe")


async def test_a_newcomer_says_who_they_are_and_joins(stage: Stage) -> None:
    parent = await stage.newcomer()
    listed = await parent.say("groupes")
    assert "Vous n'êtes dans aucun groupe." in listed
    assert len([label for label in listed.labels if "aucun membre" in label]) == 6
    card = await parent.press(NETWORK)
    assert "Personne n'anime encore ce groupe." in card
    assert "Qui êtes-vous ?" in await parent.press("Entrer dans ce groupe")
    joined = await parent.press("Parent d'élève")
    assert "Vous voilà dans le groupe." in joined
    assert "Un membre." in joined
    listed = await parent.say("groupes")
    assert "Vous êtes dans un groupe." in listed
    assert listed.labels[0] == f"✓ {NETWORK} (un membre)"


async def test_a_pupil_does_not_join(stage: Stage) -> None:
    pupil = await stage.newcomer()
    await see(pupil, NETWORK)
    await pupil.press("Entrer dans ce groupe")
    await pupil.press("Élève")
    assert "Préau est réservé aux adultes." in await pupil.press("Oui, effacer")
    assert "Aucun membre" in await see(pupil, NETWORK)


async def test_leaving_and_pressing_old_buttons_is_answered(stage: Stage) -> None:
    parent = await newcomer(stage)
    await join(parent)
    assert "Vous étiez déjà membre" in await parent.press("Entrer dans ce groupe")
    assert "Vous n'êtes plus dans le groupe." in await parent.press("Sortir de ce groupe")
    assert "Vous n'étiez pas dans ce groupe." in await parent.press("Sortir de ce groupe")


@pytest.mark.everywhere
async def test_a_request_is_answered_by_the_chair(stage: Stage) -> None:
    group = await on_request(stage)
    chair, secretary = await chair_of(stage, group), await stage.invited(Role.secretariat)
    parent = await newcomer(stage)
    await see(parent, "Équité")
    asked = await parent.press("Demander à entrer")
    assert "Votre demande est envoyée." in asked
    assert "Votre demande était déjà envoyée." in await parent.press("Demander à entrer")
    for one in (chair, secretary):
        told = await one.look()
        assert told.text.count("Une demande attend dans le groupe « Équité ».") == 1
        assert "Parent" not in told, "who has the right to know asks for it"
        assert "Parent d'élève" in await one.press("Répondre aux demandes")
    assert "La personne est entrée dans le groupe." in await chair.press("Accepter")
    assert "Vous êtes maintenant membre du groupe" in await parent.look()
    assert "déjà membre du groupe. Rien n'a changé." in await secretary.press("Refuser")
    assert "déjà membre du groupe. Rien n'a changé." in await chair.press("Accepter")
    assert "Vous êtes membre de ce groupe." in await see(parent, "Équité")


async def test_a_request_that_was_declined_or_withdrawn(stage: Stage) -> None:
    await on_request(stage)
    secretary, parent = await stage.invited(Role.secretariat), await newcomer(stage)
    await see(parent, "Équité")
    await parent.press("Demander à entrer")
    await secretary.look()
    await secretary.press("Répondre aux demandes")
    assert "La demande est refusée." in await secretary.press("Refuser")
    assert "n'est pas acceptée" in await parent.look()
    await see(parent, "Équité")
    await parent.press("Demander à entrer")
    assert "Votre demande est retirée." in await parent.press("Retirer ma demande")
    assert "Cette demande n'attend plus" in await secretary.press("Accepter")
    assert "Vous êtes membre" not in await see(parent, "Équité")


async def test_who_asks_without_end_bothers_nobody(stage: Stage) -> None:
    await on_request(stage)
    secretary, parent = await stage.invited(Role.secretariat), await newcomer(stage)
    await see(parent, "Équité")
    told = []
    for _ in range(3):
        assert "Votre demande est envoyée." in await parent.press("Demander à entrer")
        told.append(len((await secretary.look()).messages))
        await parent.press("Retirer ma demande")
        stage.clock.advance_to(stage.clock.now() + timedelta(minutes=1))
    assert told == [1, 0, 0], "once a day"
    await parent.press("Demander à entrer")
    assert "Une personne demande à entrer." in await see(secretary, "Équité"), "in the list anyway"
    await parent.press("Retirer ma demande")
    stage.clock.advance_to(stage.clock.now() + timedelta(days=1))
    secretary = await stage.invited(Role.secretariat)
    assert "Votre demande est envoyée." in await parent.press("Demander à entrer")
    assert len((await secretary.look()).messages) == 1


async def ask(stage: Stage, group: str) -> None:
    """Somebody new asks to join a group."""
    asker = await newcomer(stage)
    await see(asker, group)
    assert "Votre demande est envoyée." in await asker.press("Demander à entrer")


async def test_many_who_ask_at_once_are_told_ten_times_an_hour(stage: Stage) -> None:
    await on_request(stage)
    await on_request(stage, "Autre")
    secretary, now = await stage.invited(Role.secretariat), stage.clock.now()
    for _ in range(10):
        await ask(stage, "Équité")
    assert len((await secretary.look()).messages) == 10
    await ask(stage, "Équité")
    assert (await secretary.look()).messages == []
    await ask(stage, "Autre")
    assert len((await secretary.look()).messages) == 1, "another group's are counted apart"
    stage.clock.advance_to(now + timedelta(hours=1))
    await ask(stage, "Équité")
    assert len((await secretary.look()).messages) == 1
    assert "12 personnes demandent à entrer." in await see(secretary, "Équité")


async def test_requests_are_answered_one_after_the_other(stage: Stage) -> None:
    await on_request(stage)
    people = [await newcomer(stage, one) for one in (Profile.teacher, Profile.company)]
    for one in people:
        await see(one, "Équité")
        await one.press("Demander à entrer")
    secretary = await stage.invited(Role.secretariat)
    assert "2 personnes demandent" in await see(secretary, "Équité")
    first = await secretary.press("Répondre aux demandes")
    assert "2 demandes attendent" in first
    assert "Enseignante ou enseignant" in first
    assert "Entreprise" in await secretary.press("Voir la demande suivante")
    assert "Enseignante ou enseignant" in await secretary.press("Accepter")
    assert "Aucune autre demande" in await secretary.press("Refuser")


async def test_only_who_answers_for_a_group_answers(stage: Stage) -> None:
    group, other = await on_request(stage), await on_request(stage, "Autre")
    chair, elsewhere = await chair_of(stage, group), await chair_of(stage, other)
    parent = await newcomer(stage)
    person = await stage.db.read(newest)
    await see(parent, "Équité")
    await parent.press("Demander à entrer")
    assert (await elsewhere.look()).events == []
    assert "demande à entrer" not in await see(elsewhere, "Équité")
    await chair.look()
    await chair.press("Répondre aux demandes")
    now = stage.clock.now()
    await stage.db.write(lambda store: store.grants.end_scope(scope_of(group), now))
    for button in ("Accepter", "Refuser", "Répondre aux demandes"):
        assert "Votre compte ne permet pas cette action." in await chair.press(button)
    assert not await stage.db.read(lambda store: store.groups.is_member(group, person))


@pytest.mark.web
async def test_a_chair_who_is_not_signed_in_answers_nobody(stage: Stage) -> None:
    group = await on_request(stage)
    await chair_of(stage, group)
    person = await stage.db.read(newest)
    unsigned = await stage.unsigned(person)
    asker = await newcomer(stage)
    await see(asker, "Équité")
    await asker.press("Demander à entrer")
    told = await unsigned.look()
    assert "Une demande attend" in told, "a notice goes where the person is"
    assert told.labels == ["Répondre aux demandes"]
    assert "il faut être reconnu" in await unsigned.press("Répondre aux")
    assert "demande à entrer" not in await see(unsigned, "Équité")


async def test_members_see_each_other_by_the_name_they_give(stage: Stage) -> None:
    await stage.organisation("amf", "AMF")
    first, second = await newcomer(stage), await newcomer(stage, Profile.teacher)
    delegate = await stage.invited(Role.delegate, "amf")
    await join(first)
    await see(second, NETWORK)
    with pytest.raises(AssertionError, match="no button"):
        second.button("Voir les membres")
    await join(second)
    await join(delegate)
    listed = await second.press("Voir les membres")
    assert "– Parent d'élève\n" in listed
    assert "– Enseignante ou enseignant : c'est vous" in listed
    assert "– Membre du comité, AMF" in listed
    await first.press("Voir les membres")
    await first.press("Donner mon nom")
    assert "Votre nom est enregistré." in await first.say("  Claire-Anne  d’Ito Jr. ")
    assert "– Claire-Anne d’Ito Jr.\n" in await second.press("Voir les membres")
    await first.press("Voir les membres")
    assert "Votre nom est effacé." in await first.press("Retirer mon nom")
    assert "Claire" not in await second.press("Voir les membres")
    await second.press("Sortir de ce groupe")
    assert "Seuls les membres du groupe" in await second.press("Voir les membres")


@pytest.mark.parametrize(
    "name",
    [
        "Jeanne Martin, AMF",
        "Jeanne Martin， AMF",
        "Jeanne Martin (animation)",
        "Jeanne Martin : c'est vous",
        "Jeanne · AMF",
        "Jeanne ; AMF",
        "Jeanne\nMartin",
        "Jeanne\u2028Martin",
        "<b>Jeanne</b>",
    ],
)
async def test_a_name_imitates_nobody(stage: Stage, name: str) -> None:
    """Neither who speaks for an organisation nor who leads the group."""
    someone = await newcomer(stage)
    await join(someone)
    await someone.press("Voir les membres")
    await someone.press("Donner mon nom")
    assert "sans virgule, parenthèse ni autre signe" in await someone.say(name)
    assert "Votre nom est enregistré." in await someone.say("Jeanne Martin")


async def test_many_groups_and_many_members_are_read_in_pages(stage: Stage) -> None:
    now = stage.clock.now()

    def fill(store: Store) -> None:
        for rank in range(40):
            store.groups.make(f"Groupe {rank}", Joining.open, None, now)
        for rank in range(45):
            account, _ = store.people.arrive("web", f"somebody {rank}", "fr", now)
            store.people.get(account.person_id).name = f"Personne {rank}"
            store.groups.join(1, account.person_id, now)

    await stage.db.write(fill)
    parent = await newcomer(stage)
    listed = await parent.say("groupes")
    assert len(listed.labels) == 22
    await parent.press("Voir d'autres groupes")
    last = await parent.press("Voir d'autres groupes")
    names = [f"Groupe {rank} (aucun membre)" for rank in range(34, 40)]
    assert last.labels == [*names, "Voir le menu"]

    await join(parent, "Les usages")
    assert "46 membres" in await parent.press("Voir les membres")
    assert "– Personne 20\n" in await parent.press("Voir d'autres membres")
    end = await parent.press("Voir d'autres membres")
    assert end.text.count("–") == 6
    assert "Voir d'autres membres" not in end.labels


async def test_the_secretariat_makes_names_and_closes_a_group(stage: Stage) -> None:
    secretary, parent = await stage.invited(Role.secretariat), await newcomer(stage)
    await secretary.say("groupes")
    await secretary.press("Créer un groupe")
    await secretary.say("le reseau et le materiel")
    await secretary.press("Sur demande")
    taken = await secretary.press("Créer le groupe")
    assert "Un autre groupe s'appelle déjà « le reseau et le materiel »." in taken
    await secretary.press("Choisir un autre nom")
    await secretary.press("Modifier une réponse")
    await secretary.press("Nom")
    await secretary.say("Équité")
    assert "Le groupe est créé." in await secretary.press("Créer le groupe")
    await secretary.press("Gérer ce groupe")
    assert "Tout adulte peut maintenant entrer." in await secretary.press("Laisser entrer")
    await join(parent, "Équité")
    await secretary.press("Gérer ce groupe")
    await secretary.press("Changer son nom")
    assert "s'appelle déjà" in await secretary.say("Les usages en classe et chez soi")
    await secretary.press("Choisir un autre nom")
    assert "Le groupe a changé de nom." in await secretary.say("Égalité")
    await secretary.press("Gérer ce groupe")
    assert "Son membre sera prévenu." in await secretary.press("Fermer ce groupe")
    assert "est fermé" in await secretary.press("Oui, le fermer")
    told = await parent.look()
    assert "Le groupe « Égalité » est fermé." in told
    assert told.labels[0] == "Sortir de ce groupe"
    for button in ("Entrer dans ce groupe", "Voir les membres"):
        assert "Il n'accueille plus personne." in await parent.press(button)
    assert "Vous n'êtes plus dans le groupe. Il est fermé." in await parent.press("Sortir de")
    assert "Vous n'étiez pas dans ce groupe." in await parent.press("Sortir de ce groupe")
    assert "Il n'accueille plus personne." in await secretary.press("Oui, le fermer")
    assert "Égalité" not in "".join((await parent.say("groupes")).labels)


@pytest.mark.everywhere
async def test_closing_a_group_cancels_its_meetings_to_come(stage: Stage) -> None:
    secretary, parent = await stage.invited(Role.secretariat), await newcomer(stage)
    await join(parent)
    now = stage.clock.now()

    def call(store: Store) -> None:
        [group] = store.groups.of_person(newest(store))
        for begins in (-1, 24, 48):
            starts_at = now + timedelta(hours=begins)
            plan = Plan(starts_at, starts_at + timedelta(hours=2), "Europe/Paris", "Salle 4")
            store.meetings.call(group, plan, newest(store), now)

    await stage.db.write(call)
    await see(secretary, NETWORK)
    await secretary.press("Gérer ce groupe")
    asked = await secretary.press("Fermer ce groupe")
    assert "Ses 2 réunions à venir seront annulées." in asked
    assert "Ses 2 réunions à venir sont annulées." in await secretary.press("Oui, le fermer")
    told = await parent.look()
    first, *cancelled = told.texts
    assert "est fermé" in first
    assert len(cancelled) == 2
    assert all("est annulée." in one for one in cancelled)
    assert [file["name"] for file in told.files] == ["Retirer de mon agenda"] * 2
    await stage.advance(timedelta(days=3))
    assert (await parent.look()).messages == []


async def test_a_meeting_cancelled_as_its_group_closes(stage: Stage) -> None:
    """By a colleague, at the same moment: it is cancelled once."""
    secretary, parent = await stage.invited(Role.secretariat), await newcomer(stage)
    await join(parent)
    now, held = stage.clock.now(), Event()

    def call(store: Store) -> list[int]:
        [group] = store.groups.of_person(newest(store))
        starts_at = now + timedelta(days=1)
        plan = Plan(starts_at, starts_at + timedelta(hours=2), "Europe/Paris", "Salle 4")
        return [store.meetings.call(group, plan, newest(store), now).id for _ in range(2)]

    first, _ = await stage.db.write(call)

    def cancel(store: Store) -> None:
        store.meetings.cancel(first, now)
        held.set()
        time.sleep(HELD)

    await see(secretary, NETWORK)
    await secretary.press("Gérer ce groupe")
    await secretary.press("Fermer ce groupe")
    cancelling = asyncio.create_task(asyncio.to_thread(stage.db.write_now, cancel))
    assert await asyncio.to_thread(held.wait, 5)
    assert "Sa prochaine réunion est annulée." in await secretary.press("Oui, le fermer")
    await cancelling
    assert len([one for one in (await parent.look()).messages if "annulée" in one["text"]]) == 1


async def test_the_secretariat_chooses_who_leads_a_group(stage: Stage) -> None:
    secretary, parent = await stage.invited(Role.secretariat), await newcomer(stage)
    await join(parent)
    await see(secretary, NETWORK)
    await secretary.press("Gérer ce groupe")
    await secretary.press("Choisir un membre")
    await secretary.press("Parent d'élève")
    assert "C'est fait, et la personne est prévenue." in await secretary.press(
        "Confier l'animation"
    )
    assert "Cette personne anime déjà le groupe." in await secretary.press("Confier l'animation")
    told = await parent.look()
    assert told.text.count("Vous animez maintenant le groupe") == 1
    card = await see(parent, NETWORK)
    assert "Vous animez ce groupe." in card
    assert "anime encore" not in card
    assert "Animation" not in card, "a profile is no name"
    await parent.press("Donner mon nom aux membres")
    assert "Animation : Claire Ito." in await parent.say("Claire Ito")
    assert "Animation" not in await see(await stage.newcomer(), NETWORK), "for members only"
    assert "n'anime plus le groupe" in await secretary.press("Retirer l'animation")
    assert "n'animait déjà plus" in await secretary.press("Retirer l'animation")
    assert "Vous n'animez plus le groupe" in await parent.look()
    await secretary.press("Faire sortir du groupe")
    assert "n'est plus membre du groupe." in await secretary.press("Oui, faire sortir")
    assert "Vous n'êtes plus membre du groupe" in await parent.look()
    assert "Cette personne n'est plus membre" in await secretary.press("Confier l'animation")


async def test_who_leads_a_group_confirms_before_leaving(stage: Stage) -> None:
    group = await on_request(stage)
    chair, secretary = await chair_of(stage, group), await stage.invited(Role.secretariat)
    assert "Vous animez ce groupe." in await see(chair, "Équité")
    assert "Si vous sortez, vous ne l'animez plus." in await chair.press("Sortir de ce groupe")
    assert "Vous animez ce groupe." in await chair.press("Rester")
    await chair.press("Sortir de ce groupe")
    assert "Vous n'êtes plus dans le groupe." in await chair.press("Sortir quand même")
    assert "Personne n'anime plus le groupe « Équité »." in await secretary.look()


async def test_others_do_not_run_groups(stage: Stage) -> None:
    secretary, parent = await stage.invited(Role.secretariat), await newcomer(stage)
    person = await stage.db.read(newest)
    assert "Créer un groupe" not in (await parent.say("groupes")).labels
    await join(parent)
    with pytest.raises(AssertionError, match="no button"):
        parent.button("Gérer ce groupe")
    await see(secretary, NETWORK)
    await secretary.press("Gérer ce groupe")
    await secretary.press("Choisir un membre")
    await secretary.press("Parent d'élève")

    def end(store: Store) -> None:
        for one in store.grants.holders(Role.secretariat, stage.clock.now()):
            store.grants.end(one, stage.clock.now())

    await stage.db.write(end)
    for button in ("Confier l'animation", "Faire sortir", "Fermer ce groupe", "Changer son nom"):
        assert "Votre compte ne permet pas cette action." in await secretary.press(button)
    led = await stage.db.read(lambda store: store.groups.led_by(person, stage.clock.now()))
    assert led == []


async def test_what_is_kept_about_groups_is_shown_and_erased(stage: Stage) -> None:
    parent = await newcomer(stage)
    await join(parent)
    await parent.say("données")
    assert f"Vos groupes de travail : {NETWORK}." in await parent.press("Voir ce qui est gardé")
    await parent.say("données")
    await parent.press("Tout effacer")
    await parent.say("effacer")
    assert await stage.db.read(lambda store: store.groups.count()) == {}
