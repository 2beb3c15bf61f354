"""The rules of groups: who is in, who may let in, and what two people do at once."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handlers.groups.card import locked
from storage.database import Database
from storage.grants import Role
from storage.groups import (
    Belonging,
    GroupClosed,
    Joining,
    NotAsked,
    NotMember,
    group_of,
    scope_of,
)
from storage.invitations import Invitation
from storage.meetings import Plan
from storage.organisations import MandateKind
from storage.store import Store
from tests.conftest import NOW
from tests.storage.test_races import one_after_the_other, somebody


def asked(store: Store) -> tuple[int, int]:
    """A group, and somebody who asks to join it."""
    group = store.groups.make("Équité", Joining.request, None, NOW).id
    person = somebody(store).person_id
    assert store.groups.join(group, person, NOW) == (Belonging.asked, True)
    return group, person


def test_the_six_themes_have_their_groups(db: Database) -> None:
    groups = db.read_now(lambda store: [one.theme for one in store.groups.all_open()])
    assert len({*groups}) == 6
    assert None not in groups


def test_joining_twice_at_once_makes_one_member(db: Database) -> None:
    person = db.write_now(lambda store: somebody(store).person_id)
    second = one_after_the_other(
        db,
        lambda store: store.groups.join(1, person, NOW),
        lambda store: store.groups.join(1, person, NOW),
    )
    assert second == (Belonging.member, False)
    assert db.read_now(lambda store: store.groups.count()) == {1: 1}


def test_two_who_admit_at_once(db: Database) -> None:
    group, person = db.write_now(asked)

    def admit(store: Store) -> None:
        store.groups.admit(group, person, NOW)

    with pytest.raises(NotAsked) as raised:
        one_after_the_other(db, admit, admit)
    assert raised.value.member


def test_who_withdraws_while_they_are_admitted_is_out(db: Database) -> None:
    group, person = db.write_now(asked)
    was = one_after_the_other(
        db,
        lambda store: store.groups.admit(group, person, NOW),
        lambda store: store.groups.leave(group, person, NOW),
    )
    assert was is Belonging.member
    assert db.read_now(lambda store: store.groups.standing(group, person)) is None


def test_who_was_let_in_cannot_be_declined(db: Database) -> None:
    group, person = db.write_now(asked)
    with pytest.raises(NotAsked) as raised:
        one_after_the_other(
            db,
            lambda store: store.groups.admit(group, person, NOW),
            lambda store: store.groups.decline(group, person),
        )
    assert raised.value.member


def test_nobody_comes_in_while_a_group_closes(db: Database) -> None:
    group, person = db.write_now(asked)
    with pytest.raises(GroupClosed):
        one_after_the_other(
            db,
            lambda store: store.groups.close(group, NOW),
            lambda store: store.groups.admit(group, person, NOW),
        )
    with pytest.raises(GroupClosed):
        db.write_now(lambda store: store.groups.join(group, person, NOW))
    assert db.write_now(lambda store: store.groups.close(group, NOW)) is False
    assert db.read_now(lambda store: store.groups.of_person(person)) == {}


def test_nobody_calls_a_meeting_while_a_group_closes(db: Database) -> None:
    person = db.write_now(lambda store: somebody(store).person_id)
    plan = Plan(NOW + timedelta(days=1), NOW + timedelta(days=2), "Europe/Paris", "Salle 4")

    def call(store: Store) -> None:
        store.groups.lock(1)
        store.meetings.call(1, plan, person, NOW)

    def close(store: Store) -> int:
        store.groups.close(1, NOW)
        return len(store.meetings.upcoming([1], NOW))

    assert one_after_the_other(db, call, close) == 1, "who closes it sees what was called"
    with pytest.raises(GroupClosed):
        db.write_now(call)


def test_who_leaves_while_they_are_appointed_leads_nothing(db: Database) -> None:
    person = db.write_now(lambda store: somebody(store).person_id)
    db.write_now(lambda store: store.groups.join(1, person, NOW))
    with pytest.raises(NotMember):
        one_after_the_other(
            db,
            lambda store: store.groups.leave(1, person, NOW),
            lambda store: store.groups.appoint(1, person, person, NOW),
        )
    assert db.read_now(lambda store: store.groups.led_by(person, NOW)) == []


def test_who_is_taken_out_while_they_are_appointed_is_known_to_lead(db: Database) -> None:
    person = db.write_now(lambda store: somebody(store).person_id)
    db.write_now(lambda store: store.groups.join(1, person, NOW))

    def looks(store: Store) -> list[int]:
        locked(store, 1)
        return store.groups.holders(1, NOW)

    def appoints(store: Store) -> None:
        store.groups.appoint(1, person, person, NOW)

    assert one_after_the_other(db, appoints, looks) == [person]


def test_the_end_of_a_chair_ends_nothing_else(db: Database) -> None:
    def lead(store: Store) -> int:
        person = somebody(store).person_id
        store.grants.give(person, Role.secretariat, NOW)
        for group in (1, 2, 3):
            store.groups.join(group, person, NOW)
            assert store.groups.appoint(group, person, person, NOW)
        assert not store.groups.appoint(1, person, person, NOW), "already"
        assert store.groups.dismiss(1, person, NOW)
        assert not store.groups.dismiss(1, person, NOW), "already"
        store.groups.close(3, NOW)
        return person

    person = db.write_now(lead)
    later = NOW + timedelta(seconds=1)
    assert db.read_now(lambda store: store.groups.led_by(person, later)) == [2]
    assert db.read_now(lambda store: store.groups.is_member(1, person))
    roles = db.read_now(lambda store: store.grants.roles_of(person, later))
    assert roles == {Role.secretariat, Role.chair}


def test_one_group_s_scope_is_no_other_s(db: Database) -> None:
    """`group:1` begins as `group:12` does."""

    def lead(store: Store) -> int:
        while store.groups.make("x", Joining.open, None, NOW).id < 12:
            pass
        person = somebody(store).person_id
        store.grants.give(person, Role.chair, NOW, scope=scope_of(12))
        store.grants.give(person, Role.rapporteur, NOW, scope=scope_of(2))
        store.grants.give(person, Role.chair, NOW, scope="group:x")
        return person

    person = db.write_now(lead)
    assert db.read_now(lambda store: store.groups.led_by(person, NOW)) == [12]
    assert [group_of(one) for one in ("group:12", "", "group:x", "theme:1")] == [
        12,
        None,
        None,
        None,
    ]


@pytest.mark.parametrize("role", [Role.chair, Role.rapporteur, Role.member])
def test_an_invitation_to_a_group_makes_a_member(db: Database, role: Role) -> None:
    def redeem(store: Store, group: int) -> int:
        person = somebody(store, f"somebody {group}").person_id
        invitation = Invitation(role=role, scope=scope_of(group))
        store.invitations.apply(invitation, person, NOW)
        return person

    group, _ = db.write_now(asked)
    person = db.write_now(lambda store: redeem(store, group))
    assert db.read_now(lambda store: store.groups.is_member(group, person)), "they need not ask"
    assert db.read_now(lambda store: store.groups.leads(group, person, NOW)) == (role is Role.chair)
    db.write_now(lambda store: store.groups.close(2, NOW))
    late = db.write_now(lambda store: redeem(store, 2))
    assert not db.read_now(lambda store: store.groups.is_member(2, late)), "closed meanwhile"


def test_who_is_erased_is_in_no_group(db: Database) -> None:
    group, person = db.write_now(asked)
    db.write_now(lambda store: store.groups.join(1, person, NOW))
    db.write_now(lambda store: store.groups.appoint(1, person, person, NOW))
    db.write_now(lambda store: store.erase(person, NOW))
    assert db.read_now(lambda store: store.groups.of_person(person)) == {}
    assert db.read_now(lambda store: store.groups.led_by(person, NOW)) == []
    assert group


def test_for_whom_people_speak(db: Database) -> None:
    def speak(store: Store) -> dict[int, list[str]]:
        for key in ("amf", "dne"):
            store.organisations.add(key, is_signatory=True, college=None, names=[])
        person = somebody(store).person_id
        other = somebody(store, "other").person_id
        for key in ("amf", "dne"):
            store.organisations.appoint(person, key, MandateKind.delegate, NOW)
        store.organisations.appoint(other, "amf", MandateKind.delegate, NOW, ends_at=NOW)
        store.session.flush()
        return store.organisations.spoken_for([person, other], NOW)

    assert list(db.write_now(speak).values()) == [["amf", "dne"]]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["join", "ask", "admit", "decline", "leave", "appoint", "dismiss"]),
        st.integers(0, 2),
    ),
    max_size=25,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_whatever_is_pressed_only_members_lead(db: Database, steps: list[tuple[str, int]]) -> None:
    """Against a model: where each of three people stands, and who leads."""

    def walk(store: Store) -> None:
        group = store.groups.make("x", Joining.open, None, NOW)
        asking = store.groups
        people = [store.people.arrive("web", f"p{one}", "fr", NOW)[0].person_id for one in range(3)]
        standing: dict[int, Belonging] = {}
        leading: set[int] = set()
        for minute, (verb, which) in enumerate(steps):
            person, now = people[which], NOW + timedelta(minutes=minute)
            stands = standing.get(person)
            match verb:
                case "join" | "ask":
                    asking.choose_joining(
                        group.id, Joining.open if verb == "join" else Joining.request
                    )
                    wanted = Belonging.member if verb == "join" else stands or Belonging.asked
                    is_new = wanted is not stands
                    assert asking.join(group.id, person, now) == (wanted, is_new)
                    standing[person] = wanted
                case "admit" | "decline" if stands is not Belonging.asked:
                    with pytest.raises(NotAsked):
                        (
                            asking.admit(group.id, person, now)
                            if verb == "admit"
                            else asking.decline(group.id, person)
                        )
                case "admit":
                    asking.admit(group.id, person, now)
                    standing[person] = Belonging.member
                case "decline":
                    asking.decline(group.id, person)
                    del standing[person]
                case "leave":
                    assert asking.leave(group.id, person, now) is stands
                    standing.pop(person, None)
                    leading.discard(person)
                case "appoint" if stands is not Belonging.member:
                    with pytest.raises(NotMember):
                        asking.appoint(group.id, person, people[0], now)
                case "appoint":
                    is_new = person not in leading
                    assert asking.appoint(group.id, person, people[0], now) is is_new
                    leading.add(person)
                case "dismiss":
                    assert asking.dismiss(group.id, person, now) is (person in leading)
                    leading.discard(person)
            members = {one for one, held in standing.items() if held is Belonging.member}
            assert set(store.session.scalars(asking.members(group.id))) == members
            assert set(store.session.scalars(asking.chairs(group.id, now))) == leading
            assert leading <= members

    db.write_now(walk)
