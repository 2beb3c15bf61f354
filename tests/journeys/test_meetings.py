"""A meeting from the call to the reminders, and all that can change on the way."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ical.calendar_stream import IcsCalendarStream
from ical.event import Event
from sqlalchemy import select, update

from storage.deliveries import Delivery
from storage.grants import Role
from storage.groups import WorkingGroup, scope_of
from storage.recommendations import Theme
from storage.store import Store
from tests.people import Answer, Someone
from tests.stage import Stage

START = datetime(2027, 1, 22, 13, tzinfo=UTC)  # 14 h in Paris, in eleven days
FRIDAY = "22 janvier 2027 à 14h"
GROUP = "Le réseau et le matériel"


def newest(store: Store) -> int:
    return max(store.session.scalars(store.people.everybody()))


async def group_of(stage: Stage) -> int:
    """The group on networks."""
    wanted = select(WorkingGroup.id).where(WorkingGroup.theme == Theme.infrastructure)
    return await stage.db.read(lambda store: store.session.scalars(wanted).one())


async def member(stage: Stage, academie: str | None = None) -> Someone:
    """Somebody of the group."""
    someone, group, now = await stage.newcomer(), await group_of(stage), stage.clock.now()

    def join(store: Store) -> None:
        store.people.get(newest(store)).academie = academie
        store.groups.join(group, newest(store), now, admitted=True)

    await stage.db.write(join)
    return someone


async def chair(stage: Stage) -> Someone:
    """Somebody who leads the group and no other, and belongs to it."""
    someone, group, now = await stage.invited(Role.member), await group_of(stage), stage.clock.now()

    def lead(store: Store) -> None:
        person = newest(store)
        store.groups.join(group, person, now, admitted=True)
        store.grants.give(person, Role.chair, now, scope=scope_of(group))

    await stage.db.write(lead)
    return someone


async def dismiss(stage: Stage) -> None:
    """Whoever leads the group leads it no more, but another one."""
    group, now = await group_of(stage), stage.clock.now()

    def end(store: Store) -> None:
        for person in store.grants.holders(Role.chair, now):
            store.groups.dismiss(group, person, now)
            store.grants.give(person, Role.chair, now, scope=scope_of(group + 1))

    await stage.db.write(end)


async def forget_what_was_given(stage: Stage) -> None:
    """As if no calendar file had ever been given."""
    given = update(Delivery).where(Delivery.subject.startswith("calendar:"))
    await stage.db.write(lambda store: store.session.execute(given.values(subject=None)))


async def compose(someone: Someone, *, when: str = FRIDAY, end: str = "16 h") -> Answer:
    """Answer all questions about a meeting by a link and in a room; the review."""
    answer = await someone.say("réunion")
    if "Quel groupe" in answer:
        await someone.press(GROUP)
    await someone.say(when)
    await someone.say(end)
    await someone.press("Sur place et à distance")
    await someone.say("107 rue de Grenelle, salle 4")
    return await someone.say("https://visio.example.org/reseau")


async def convene(someone: Someone, **more: str) -> Answer:
    await compose(someone, **more)
    return await someone.press("Convoquer")


async def manage(someone: Someone, label: str) -> Answer:
    """Do something about the newest meeting but answer."""
    managed = await someone.press("Gérer la réunion")
    assert managed.labels[-1] == "Revenir à la réunion"
    return await someone.press(label)


def calendar_file(answer: Answer) -> dict[str, Any]:
    """The file that came last."""
    [file] = [event for event in answer.messages if event["files"]][-1]["files"]
    assert file["type"] == "text/calendar"
    return dict(file)


async def calendar(someone: Someone, answer: Answer) -> tuple[str | None, Event]:
    """The method of the file that came last, and its one entry."""
    status, content = await someone.fetch(calendar_file(answer))
    assert status == 200
    parsed = IcsCalendarStream.calendar_from_ics(content.decode())
    [entry] = parsed.events
    return parsed.method, entry


async def is_gone(someone: Someone, answer: Answer) -> bool:
    """Whether there is no such file any more, under the link that came with an answer."""
    status, _ = await someone.fetch(calendar_file(answer))
    return status == 404


@pytest.mark.everywhere
async def test_a_chair_calls_and_everybody_answers_in_one_tap(stage: Stage) -> None:
    leading, coming, far = await chair(stage), await member(stage), await member(stage, "28")
    review = await compose(leading)
    for words in (
        GROUP,
        "2 autres membres",
        "vendredi 22 janvier 2027 à 14 h",
        "2 h",
        "Heure de Paris",
        "salle 4",
        "https://visio.example.org/reseau",
    ):
        assert words in review
    convened = await leading.press("Convoquer")
    assert "2 personnes sont prévenues" in convened
    assert "3 sans réponse" in convened

    card = await coming.look()
    assert "se réunit vendredi 22 janvier 2027, de 14 h à 16 h (heure de Paris)." in card
    assert "La Réunion" not in card
    assert "sans réponse" not in card
    assert card.labels == ["Je viens", "À distance", "Peut-être", "Je ne viens pas"]
    assert "Soit de 17 h à 19 h à La Réunion." in await far.look()

    said = await coming.press("Je viens")
    assert {event["kind"] for event in said.messages} == {stage.in_place}
    assert "Votre réponse : Je viens." in said
    assert "✓ Je viens" in said.labels
    changed = await coming.press("Peut-être")
    assert "Votre réponse : Peut-être." in changed
    await far.press("Je ne viens pas")
    counted = await leading.say("agenda")
    assert "Réponses : 1 peut-être, 1 ne vient pas, 1 sans réponse." in counted
    assert counted.labels == [*card.labels, "Gérer la réunion"]


async def test_who_leads_manages_apart_and_comes_back(stage: Stage) -> None:
    leading, beside, other = await chair(stage), await chair(stage), await member(stage)
    await convene(leading)
    told = await beside.look()
    assert "Réponses : 3 sans réponse." in told, "news for a chair count, too"
    managed = await beside.press("Gérer la réunion")
    assert managed.labels == [
        "Rappeler maintenant",
        "Déplacer la réunion",
        "Changer le lieu ou l'ordre du jour",
        "Annuler la réunion",
        "Revenir à la réunion",
    ]
    assert (await beside.press("Revenir à la réunion")).labels == told.labels
    assert "Gérer la réunion" not in (await other.look()).labels


@pytest.mark.web
async def test_the_calendar_file_follows(stage: Stage) -> None:
    leading, other = await chair(stage), await member(stage)
    await convene(leading)
    called = await other.look()
    method, first = await calendar(other, called)
    assert (method, first.status, first.sequence) == ("PUBLISH", "CONFIRMED", 0)
    assert (first.dtstart, first.dtend) == (START, START + timedelta(hours=2))
    assert first.summary == f"Réunion du groupe « {GROUP} »"
    assert first.location == "107 rue de Grenelle, salle 4"

    await manage(leading, "Déplacer la réunion")
    await leading.say("25 janvier 2027 à 10h")
    assert "1 personne est prévenue" in await leading.press("Changer la réunion")
    told = await other.look()
    assert "Elle était prévue vendredi 22 janvier 2027, 14 h à Paris." in told
    assert "se réunit lundi 25 janvier 2027, de 10 h à 12 h" in told
    method, second = await calendar(other, told)
    assert (method, second.uid, second.sequence) == ("PUBLISH", first.uid, 1)
    monday = datetime(2027, 1, 25, 9, tzinfo=UTC)
    assert (second.dtstart, second.dtend) == (monday, monday + timedelta(hours=2))
    assert await is_gone(other, called), "no link says an hour that is wrong"

    await manage(leading, "Annuler la réunion")
    await leading.press("Oui, annuler")
    told = await other.look()
    assert "est annulée" in told
    method, third = await calendar(other, told)
    assert (method, third.status) == ("CANCEL", "CANCELLED")
    assert (third.uid, third.sequence) == (first.uid, 2)
    refused = await other.press("Je viens")
    assert "est annulée" in refused


async def test_the_calendar_file_comes_once(stage: Stage) -> None:
    """With the news of a meeting, or when it is first shown; again only with another plan."""
    leading, other = await chair(stage), await member(stage)
    assert len((await convene(leading)).files) == 1
    assert (await leading.say("agenda")).files == []
    assert len((await other.look()).files) == 1
    assert (await other.say("agenda")).files == []
    assert (await other.press("Je ne viens pas")).files == []
    comes = await other.say("1")
    assert "Votre réponse : Je viens." in comes
    assert comes.files == []
    late = await member(stage)
    assert len((await late.say("agenda")).files) == 1
    assert (await late.say("agenda")).files == []

    await manage(leading, "Déplacer la réunion")
    await leading.say("25 janvier 2027 à 10h")
    assert len((await leading.press("Changer la réunion")).files) == 1
    told = await other.look()
    assert "La réunion est déplacée." in told
    assert len(told.files) == 1
    assert (await other.say("agenda")).files == []
    await stage.advance()
    recalled = await other.look()
    assert "Rappel" in recalled
    assert recalled.files == []


async def test_who_comes_after_all_is_given_the_calendar_file(stage: Stage) -> None:
    """It was never given where they answer: they left, and came back before the news did."""
    leading, other = await chair(stage), await member(stage)
    await convene(leading)
    await other.look()
    await forget_what_was_given(stage)
    assert (await other.say("4")).files == []
    assert len((await other.say("1")).files) == 1
    assert (await other.say("2")).files == []


@pytest.mark.web
async def test_a_card_changed_in_place_keeps_its_file_for_who_comes(stage: Stage) -> None:
    leading, other = await chair(stage), await member(stage)
    await convene(leading)
    await other.look()
    assert len((await other.press("Je viens")).files) == 1
    assert (await other.press("Je ne viens pas")).files == []
    assert len((await other.press("Peut-être")).files) == 1


@pytest.mark.web
async def test_who_was_removed_reads_no_newer_file(stage: Stage) -> None:
    """Neither through the links they were given, nor through those of the others."""
    leading, other = await chair(stage), await member(stage)
    await convene(leading)
    given = await other.look()
    group, now = await group_of(stage), stage.clock.now()
    await stage.db.write(lambda store: store.leave_group(group, newest(store), now))
    await manage(leading, "Déplacer la réunion")
    await leading.say("25 janvier 2027 à 10h")
    moved = await leading.press("Changer la réunion")
    await manage(leading, "Annuler la réunion")
    cancelled = await leading.press("Oui, annuler")
    assert (await other.look()).messages == []
    assert [await is_gone(other, one) for one in (given, moved, cancelled)] == [True] * 3
    assert [await is_gone(leading, one) for one in (given, moved, cancelled)] == [True, True, False]


async def test_reminders_leave_by_themselves(stage: Stage) -> None:
    leading, silent, absent = await chair(stage), await member(stage), await member(stage)
    await convene(leading)
    await absent.look()
    await absent.press("Je ne viens pas")
    await silent.look()
    heard: list[datetime] = []
    for _ in range(3):
        await stage.advance()
        answer = await silent.look()
        assert "Dites si vous venez." in answer
        assert len(answer.texts) == 1
        heard.append(stage.clock.now())
    before = [timedelta(days=7), timedelta(days=1), timedelta(hours=1)]
    assert heard == [START - one for one in before]
    assert (await absent.look()).messages == []
    await stage.advance(to=START + timedelta(hours=3))
    assert (await silent.look()).messages == []
    assert "terminée" in await silent.press("Je viens")


@pytest.mark.everywhere
async def test_a_move_takes_the_reminders_with_it(stage: Stage) -> None:
    leading, other = await chair(stage), await member(stage)
    await convene(leading)
    await other.look()
    old = other.button("Je viens")
    await other.press("Je viens")
    await manage(leading, "Déplacer la réunion")
    await leading.say("13 janvier 2027 à 14h")
    await leading.press("Changer la réunion")
    moved = await other.look()
    assert "Les réponses repartent de zéro." in moved
    refused = await other.press_again(old)
    assert "Cette réunion a été déplacée." in refused
    await stage.advance()
    assert stage.clock.now() == datetime(2027, 1, 12, 13, tzinfo=UTC)
    assert "mercredi 13 janvier 2027" in await other.look()
    await stage.advance(to=START)
    assert len((await other.look()).texts) == 1, "the last hour of the new date, no old one"


async def test_a_meeting_cancelled_while_its_reminder_leaves(stage: Stage) -> None:
    """The notice is made, the meeting is cancelled before anybody was told."""
    leading, other = await chair(stage), await member(stage)
    await convene(leading)
    await other.look()
    stage.clock.advance_to(START - timedelta(days=7))
    from scheduled.meetings import remind

    def reminds_and_cancels(store: Store) -> None:
        remind(store, stage.clock.now())
        store.meetings.cancel(1, stage.clock.now())

    await stage.db.write(reminds_and_cancels)
    assert (await other.look()).messages == []
    assert (await leading.look()).messages == []


async def test_people_are_reminded_by_hand_once(stage: Stage) -> None:
    leading, silent, coming = await chair(stage), await member(stage), await member(stage)
    await convene(leading)
    await silent.look()
    await coming.look()
    await coming.press("Je viens")
    asked = await manage(leading, "Rappeler maintenant")
    assert asked.labels[:2] == [
        "Ceux qui n'ont pas répondu (2 personnes)",
        "Tout le groupe (3 personnes)",
    ]
    assert "2 personnes" in await leading.press("Ceux qui n'ont pas répondu")
    assert "se réunit vendredi" in await silent.look()
    assert (await coming.look()).messages == []
    await leading.press("Voir la réunion")
    await manage(leading, "Rappeler maintenant")
    assert "moins de dix minutes" in await leading.press("Tout le groupe")
    assert (await coming.look()).messages == []
    stage.clock.advance_to(stage.clock.now() + timedelta(minutes=10))
    assert "3 personnes" in await leading.press("Tout le groupe")
    assert "se réunit vendredi" in await coming.look()


async def test_the_secretariat_calls_any_group(stage: Stage) -> None:
    secretary, other = await stage.invited(Role.secretariat), await member(stage)
    assert "Convoquer une réunion" in (await secretary.say("menu")).labels
    convened = await convene(secretary)
    assert "1 personne est prévenue" in convened
    assert "1 sans réponse" in convened
    assert not [label for label in convened.labels if label == "Je viens"], "of no group"
    assert "se réunit" in await other.look()
    assert "Mes réunions" in (await other.say("menu")).labels
    assert "Convoquer une réunion" not in (await other.say("menu")).labels


async def test_what_is_typed_wrong_is_said_kindly(stage: Stage) -> None:
    leading = await chair(stage)
    await leading.say("réunion")
    assert "déjà passée" in await leading.say("4 janvier 2027 à 14h")
    assert "horloges avancent" in await leading.say("28 mars 2027 à 2h30")
    assert "À quelle heure finit-elle" in await leading.say(FRIDAY)
    assert "avant de commencer" in await leading.say("13h")
    assert "pas compris cette heure" in await leading.say("plus tard")
    long = await leading.say("29 janvier 2027 à 15h")
    assert "24 heures" in long
    assert "15 h (1 h)" in long.labels
    await leading.press("15 h 30")
    await leading.press("À distance, par un lien")
    for link in ("visio.example.org", "javascript:alert(1)", "ftp://example.org/", "http://"):
        assert "pas une adresse du web" in await leading.say(link)
    review = await leading.say("https://visio.example.org/1")
    assert "1 h 30" in review
    assert "Lieu" not in review


async def test_hours_of_the_nights_when_clocks_change(stage: Stage) -> None:
    """2 h 30 comes twice: the first is meant, and it is said."""
    leading = await chair(stage)
    await leading.say("réunion")
    assert "La première est retenue." in await leading.say("31 octobre 2027 à 2h30")
    await leading.say("4h")
    await leading.press("Sur place")
    await leading.say("Salle 4")
    review = await leading.press("Convoquer")
    assert "31 octobre 2027, de 2 h 30 à 4 h (heure de Paris)." in review
    _, entry = await calendar(leading, review)
    assert entry.dtstart == datetime(2027, 10, 31, 0, 30, tzinfo=UTC)
    assert entry.dtend == datetime(2027, 10, 31, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("night", "hours", "words"),
    [
        (datetime(2027, 10, 30, 22, 40, tzinfo=UTC), 2, "31 octobre 2027, de 2 h 40"),
        (datetime(2027, 10, 30, 22, 40, tzinfo=UTC), 3, "31 octobre 2027, de 2 h 40"),
        (datetime(2027, 10, 30, 22, 40, tzinfo=UTC), 4, "31 octobre 2027, de 3 h 40"),
        (datetime(2028, 3, 25, 23, 40, tzinfo=UTC), 1, "26 mars 2028, de 1 h 40"),
        (datetime(2028, 3, 25, 23, 40, tzinfo=UTC), 2, "26 mars 2028, de 3 h 40"),
    ],
    ids=lambda value: f"{value}",
)
async def test_some_hours_from_now_in_those_nights(
    stage: Stage, night: datetime, hours: int, words: str
) -> None:
    """Hours that pass, whatever clocks say; changing the place alone does not move the meeting."""
    stage.clock.advance_to(night)
    leading = await chair(stage)
    called = await convene(leading, when=f"dans {hours} heures", end="dans 90 minutes")
    assert words in called
    starts_at = night + timedelta(hours=hours)
    _, entry = await calendar(leading, called)
    assert (entry.dtstart, entry.dtend) == (starts_at, starts_at + timedelta(minutes=90))
    await manage(leading, "Changer le lieu ou l'ordre du jour")
    await leading.press("Modifier une réponse")
    await leading.press("Lieu")
    await leading.say("Salle 5")
    _, entry = await calendar(leading, await leading.press("Changer la réunion"))
    assert (entry.location, entry.dtstart) == ("Salle 5", starts_at)


async def test_hours_of_another_place(stage: Stage) -> None:
    leading = await chair(stage)
    await compose(leading)
    await leading.press("Modifier une réponse")
    await leading.press("Fuseau horaire")
    assert "Heure de Nouvelle-Calédonie" in await leading.press("Heure de Nouvelle-Calédonie")
    convened = await leading.press("Convoquer")
    assert "se réunit vendredi 22 janvier 2027, de 4 h à 6 h (heure de Paris)." in convened
    assert "Soit de 14 h à 16 h en Nouvelle-Calédonie." in convened
    await manage(leading, "Déplacer la réunion")
    await leading.say("25 janvier 2027 à 8h")
    moved = await leading.press("Changer la réunion")
    late = "dimanche 24 janvier 2027, de 22 h à 0 h le lundi 25 janvier 2027 (heure de Paris)."
    assert late in moved
    assert "Soit lundi 25 janvier 2027, de 8 h à 10 h en Nouvelle-Calédonie." in moved


async def test_an_hour_that_another_place_does_not_have(stage: Stage) -> None:
    """Typed for La Réunion, where clocks never change, then said to be Paris's."""
    leading = await chair(stage)
    await compose(leading)
    await leading.press("Modifier une réponse")
    await leading.press("Fuseau horaire")
    await leading.press("Heure de La Réunion")
    await leading.press("Modifier une réponse")
    await leading.press("Début")
    await leading.say("28 mars 2027 à 2h30")
    await leading.press("Modifier une réponse")
    await leading.press("Fuseau horaire")
    await leading.press("Heure de Paris")
    assert "horloges avancent" in await leading.press("Convoquer")
    await leading.press("Modifier une réponse")
    await leading.press("Début")
    await leading.say(FRIDAY)
    assert "convoquée" in await leading.press("Convoquer")


async def test_a_draft_that_waited_too_long(stage: Stage) -> None:
    leading = await chair(stage)
    await compose(leading, when="aujourd'hui à 11h", end="12h")
    await leading.press("Modifier une réponse")
    await leading.press("Lieu")
    await leading.say("Salle 5")
    stage.clock.advance_to(stage.clock.now() + timedelta(hours=1))
    assert "déjà passée" in await leading.press("Convoquer")
    await leading.press("Modifier une réponse")
    await leading.press("Début")
    assert "Salle 5" in await leading.say("25 janvier 2027 à 14h"), "nothing is lost"


async def test_two_chairs_move_it_at_once(stage: Stage) -> None:
    leading, secretary = await chair(stage), await stage.invited(Role.secretariat)
    await convene(leading)
    await secretary.say("agenda")
    await manage(secretary, "Déplacer la réunion")
    await secretary.say("25 janvier 2027 à 10h")
    await manage(leading, "Déplacer la réunion")
    await leading.say("26 janvier 2027 à 11h")
    await leading.press("Changer la réunion")
    refused = await secretary.press("Changer la réunion")
    assert "Une autre personne vient de changer cette réunion." in refused
    assert "mardi 26 janvier" in await secretary.press("Voir la réunion")
    assert "lundi 25 janvier 2027 à 10 h" in await secretary.press("Reprendre mon brouillon")
    await secretary.press("Changer la réunion")
    assert "lundi 25 janvier" in await leading.look()


async def test_only_the_place_changes(stage: Stage) -> None:
    leading, other = await chair(stage), await member(stage)
    await convene(leading)
    await other.look()
    await other.press("Je viens")
    await manage(leading, "Changer le lieu ou l'ordre du jour")
    assert "Personne n'est prévenu" in await leading.press("Changer la réunion")
    await manage(leading, "Changer le lieu ou l'ordre du jour")
    await leading.press("Modifier une réponse")
    await leading.press("Lieu")
    await leading.say("Salle 5")
    await leading.press("Ajouter un ordre du jour")
    await leading.say("1. Les achats <groupés>\n2. Le calendrier")
    await leading.press("Changer la réunion")
    told = await other.look()
    assert "Le jour et l'heure restent les mêmes." in told
    assert "Salle 5" in told
    assert "Les achats <groupés>" in told
    assert "Votre réponse : Je viens." in told, "it is for the same hour"
    _, entry = await calendar(other, told)
    assert entry.sequence == 1


async def test_a_chair_dismissed_while_composing(stage: Stage) -> None:
    leading = await chair(stage)
    await compose(leading)
    await dismiss(stage)
    assert "Vous n'animez pas, ou plus" in await leading.press("Convoquer")
    [draft] = await stage.db.read(lambda store: store.conversations.drafts_of(1))
    assert draft.state["answers"]["place"] == "107 rue de Grenelle, salle 4"
    assert await called(stage) == 0


async def test_a_group_closed_meanwhile(stage: Stage) -> None:
    leading, other = await chair(stage), await member(stage)
    secretary = await stage.invited(Role.secretariat)
    await convene(leading)
    await compose(secretary)
    await other.look()
    group, now = await group_of(stage), stage.clock.now()
    await stage.db.write(lambda store: store.groups.close(group, now))
    assert "est fermé" in await secretary.press("Convoquer")
    assert await called(stage) == 1
    assert "est fermé" in await other.press("Je viens")
    await stage.advance(to=START)
    assert (await other.look()).messages == []


async def test_who_left_the_group_presses_the_card(stage: Stage) -> None:
    leading, other = await chair(stage), await member(stage)
    await convene(leading)
    await other.look()
    group, now = await group_of(stage), stage.clock.now()
    await stage.db.write(lambda store: store.leave_group(group, newest(store), now))
    assert "réservée aux membres" in await other.press("Je viens")
    assert "1 sans réponse" in await leading.say("agenda")
    await stage.advance(to=START)
    assert (await other.look()).messages == []
    assert "Aucune réunion n'est prévue" in await other.say("agenda")


async def test_rights_are_checked_at_each_press(stage: Stage) -> None:
    """Buttons of a chair, kept by somebody who is one no more."""
    leading = await chair(stage)
    await convene(leading)
    await leading.press("Gérer la réunion")
    await dismiss(stage)
    for label in ("Déplacer", "Annuler la réunion", "Rappeler", "Changer le lieu", "Gérer"):
        assert "Vous n'animez pas, ou plus" in await leading.press(label)
    stranger = await stage.newcomer()
    assert "Votre compte ne permet pas" in await stranger.say("réunion")
    assert "Aucune réunion" in await stranger.say("agenda")


async def test_what_an_erased_person_answered_is_forgotten(stage: Stage) -> None:
    leading, other = await chair(stage), await member(stage)
    await convene(leading)
    await other.look()
    await other.press("Je viens")
    await other.say("données")
    assert "22 janvier 2027 : Je viens" in await other.press("Voir ce qui est gardé")
    await other.press("Tout effacer")
    await other.say("effacer")

    def left(store: Store) -> Any:
        meeting = store.meetings.get(1)
        assert meeting is not None
        return [store.meetings.answer_of(1, person) for person in (1, 2, 3)]

    assert await stage.db.read(left) == [None, None, None]


async def called(stage: Stage) -> int:
    def count(store: Store) -> int:
        return len(store.meetings.upcoming(None, stage.clock.now()))

    return await stage.db.read(count)


async def test_in_english(stage: Stage) -> None:
    leading, other = await chair(stage), await member(stage)
    await other.say("english")
    await other.press("English")
    await convene(leading)
    card = await other.look()
    assert "meets on Friday 22 January 2027, from 14:00 to 16:00 (Paris time)." in card
    assert "Your answer: Maybe." in await other.press("Maybe")
