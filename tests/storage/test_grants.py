"""Roles count where they can be held."""

import pytest

from storage.database import Database
from storage.grants import Role
from storage.groups import scope_of
from storage.store import Store
from tests.conftest import NOW


@pytest.mark.parametrize("role", Role)
def test_a_role_for_everywhere_counts_in_no_scope(db: Database, role: Role) -> None:
    """A secretary, a reviewer, an administrator is one everywhere, or not at all."""
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
