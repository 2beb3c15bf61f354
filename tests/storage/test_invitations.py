"""What an invitation may be, how often it serves, and when it ends; and acts that await another."""

from contextlib import nullcontext
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.approvals import WAITS, ApprovalState
from storage.database import Database
from storage.grants import Role, scope_of_reviewer
from storage.groups import scope_of
from storage.invitations import LONGEST, MOST_USES, TO_A_ROLE_AT_MOST
from storage.store import Store
from tests.conftest import NOW

A_DAY = timedelta(days=1)


def test_a_code_for_many_or_for_long_grants_nothing(db: Database) -> None:
    cases = [
        (2, A_DAY),
        (1, TO_A_ROLE_AT_MOST + A_DAY),
        (MOST_USES, LONGEST),
        (MOST_USES + 1, A_DAY),
        (1, LONGEST + A_DAY),
        (0, A_DAY),
    ]

    def make(store: Store) -> None:
        for role in (None, *Role):
            for uses, lasts in cases:
                is_open = role is None and 1 <= uses <= MOST_USES and lasts <= LONGEST
                with nullcontext() if is_open else pytest.raises(ValueError, match="invitation"):
                    until = NOW + lasts
                    store.invitations.invite(
                        role=role, uses=uses, expires_at=until, now=NOW, organisation_id=None
                    )

    db.write_now(make)


def test_no_role_means_nothing_at_all(db: Database) -> None:
    """Neither a group nor an organisation comes with it."""

    def make(store: Store) -> None:
        until = NOW + A_DAY
        store.invitations.invite(role=None, scope=scope_of(1), expires_at=until, now=NOW)

    with pytest.raises(ValueError, match="gives nothing"):
        db.write_now(make)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    uses=st.integers(1, 4),
    steps=st.lists(st.sampled_from(["redeem", "revoke", "a day later"]), max_size=8),
)
def test_it_serves_as_often_as_it_says_until_it_ends(
    db: Database, uses: int, steps: list[str]
) -> None:
    """Against a count: an invitation of three days that is redeemed, revoked, or waits."""

    def run(store: Store) -> None:
        left, now, until = uses, NOW, NOW + 3 * A_DAY
        code = store.invitations.invite(role=None, uses=uses, expires_at=until, now=NOW)
        made = store.invitations.find(code)
        assert made is not None
        for step in steps:
            serves = left > 0 and now < until
            if step == "redeem":
                assert (store.invitations.redeem(code, now) is not None) == serves
                left -= serves
            elif step == "revoke":
                assert (store.invitations.revoke(made.id, now) is not None) == serves
                left = 0 if serves else left
            else:
                now += A_DAY
            serves = left > 0 and now < until
            assert (store.invitations.waiting(code, now) is not None) == serves

    db.write_now(run)


def test_a_role_is_renewed_only_in_its_scope(db: Database) -> None:
    def run(store: Store) -> None:
        person = store.people.arrive("web", "a", "fr", NOW)[0].person_id
        store.grants.give(person, Role.reviewer, NOW, scope=scope_of_reviewer("usages", None))
        for theme, renews in (("usages", True), ("industry", False), (None, False)):
            scope, until = scope_of_reviewer(theme, None), NOW + A_DAY
            code = store.invitations.invite(
                role=Role.reviewer, scope=scope, expires_at=until, now=NOW
            )
            made = store.invitations.find(code)
            assert made is not None
            assert store.invitations.renews(made, person, NOW) is renews

    db.write_now(run)


def test_what_waits_for_a_second_person_is_void_with_who_asked(db: Database) -> None:
    """Erased, or found to be one with somebody else; and it is decided once, in time."""

    def run(store: Store) -> None:
        accounts = [store.people.arrive("web", name, "fr", NOW)[0] for name in ("a", "b", "c")]
        first, second, third = (one.person_id for one in accounts)
        made = [
            store.approvals.ask("members.erase", {"person": third}, one, NOW)
            for one in (first, second, third)
        ]
        assert len(store.approvals.waiting(NOW)) == 3
        assert store.approvals.lock(made[0].id, NOW + WAITS) is None
        store.merge((accounts[0].id, accounts[1].id), {}, NOW)
        store.session.expire_all()
        assert [one.asked_by for one in store.approvals.waiting(NOW)] == [third]
        assert made[1].asked_by == first
        store.erase(third, NOW)
        store.session.expire_all()
        assert [one.state for one in made] == [ApprovalState.void] * 3
        assert [one.arguments for one in made] == [None] * 3

    db.write_now(run)


def test_a_code_is_brought_again_once_that_is_not_remembered_any_more(db: Database) -> None:
    def bring(store: Store) -> None:
        account, _ = store.people.arrive("web", "a", "fr", NOW)
        for now in (NOW, NOW + A_DAY):
            assert store.sessions.redemption("K3PZ", "again", now) is None
            store.sessions.remember_redemption("K3PZ", "again", account.id, False, now)
            assert store.sessions.redemption("K3PZ", "again", now) == (account.id, False)

    db.write_now(bring)
