"""Roles count where they can be held; one that is needed is held by somebody."""

import pytest

from storage.database import Database
from storage.grants import LastHolder, NoSuchGrant, Role
from storage.groups import scope_of
from storage.store import Store
from tests.conftest import NOW
from tests.storage.test_races import one_after_the_other


@pytest.mark.parametrize("role", Role)
def test_a_role_for_everywhere_counts_in_no_scope(db: Database, role: Role) -> None:
    """A secretary, an administrator is one everywhere; a reviewer, also of a theme or académie."""
    everywhere = role in (Role.secretariat, Role.reviewer, Role.administrator)

    def held(store: Store, person: int) -> list[bool]:
        listed = [store.grants.members(NOW), store.grants.readers(NOW)]
        listed += [store.grants.secretaries(NOW), store.groups.answering(1, NOW)]
        return [
            role in store.grants.roles_of(person, NOW),
            person in store.grants.holders(role, NOW),
            *(person in store.session.scalars(one).all() for one in listed),
        ]

    def look(store: Store) -> None:
        narrowed, wide = (
            store.people.arrive("web", name, "fr", NOW)[0].person_id for name in ("n", "w")
        )
        store.grants.give(narrowed, role, NOW, scope=scope_of(1))
        store.grants.give(wide, role, NOW)
        store.session.flush()
        answers = role is Role.chair
        assert held(store, narrowed) == (
            [False] * 6 if everywhere else [True] * 3 + [False] * 2 + [answers]
        )
        assert held(store, wide)[:3] == [True] * 3

    db.write_now(look)


def test_two_who_end_each_other_s_role_at_once(db: Database) -> None:
    """The second finds that it is the last."""

    def begin(store: Store) -> list[int]:
        for name in ("one", "two"):
            person = store.people.arrive("web", name, "fr", NOW)[0].person_id
            store.grants.give(person, Role.secretariat, NOW)
        store.session.flush()
        return [one.id for one in store.grants.held(NOW)]

    first, second = db.write_now(begin)

    def end(store: Store) -> str:
        try:
            store.grants.end_one(second, NOW)
        except LastHolder:
            return "refused"
        return "ended"

    assert one_after_the_other(db, lambda store: store.grants.end_one(first, NOW), end) == "refused"

    def again(store: Store) -> None:
        with pytest.raises(NoSuchGrant):
            store.grants.end_one(first, NOW)

    db.write_now(again)
