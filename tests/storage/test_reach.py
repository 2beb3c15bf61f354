"""Reviewers of a theme, or of an académie, read these reports and no others."""

from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.database import Database
from storage.grants import Reach, Role, scope_of_reviewer
from storage.groups import scope_of
from storage.recommendations import Theme
from storage.reports import LAPSE, Content, Report, ReportKind
from storage.store import Store
from tests.conftest import NOW

THEMES = (None, Theme.usages, Theme.support)
ACADEMIES = (None, "01", "28")
OF = {
    "": "all",
    scope_of_reviewer(Theme.usages, None): Theme.usages,
    scope_of_reviewer(Theme.support, None): Theme.support,
    scope_of_reviewer(None, "01"): "01",
    scope_of_reviewer(None, "28"): "28",
    scope_of(1): None,  # which no reviewer can have
    "theme:": None,
    "theme:nothing": None,
    "nowhere": None,
}

kept = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


def person(store: Store, *, held: set[str], role: Role = Role.reviewer) -> int:
    """A new person with a role in some scopes."""
    name = f"p{len(store.session.scalars(store.people.everybody()).all())}"
    made = store.people.arrive("web", name, "fr", NOW)[0].person_id
    for scope in sorted(held):
        store.grants.give(made, role, NOW, scope=scope)
    store.session.flush()
    return made


def told(store: Store, theme: Theme | None, academie: str | None) -> Report:
    author = person(store, held=set())
    content = Content("Un récit.", ReportKind.need, theme, publishable=True, title="Un récit")
    return store.reports.submit(author, None, academie, content, NOW)


def may_read(held: set[str], report: Report) -> bool:
    """The model."""
    reads = {OF[scope] for scope in held} - {None}
    return bool(reads & {"all", report.theme, report.academie})


@kept
@given(st.sets(st.sampled_from(sorted(OF))))
def test_a_reviewer_reads_what_their_scopes_say(db: Database, held: set[str]) -> None:
    def work(store: Store) -> None:
        before = store.reports.count_waiting()
        mine = person(store, held=held)
        reach = store.grants.reach_of(mine, NOW)
        waiting = store.reports.count_waiting(reach)
        reports = [told(store, theme, academie) for theme in THEMES for academie in ACADEMIES]
        readable = [one for one in reports if may_read(held, one)]
        assert [one for one in reports if reach.covers(one.theme, one.academie)] == readable
        assert store.reports.count_waiting(reach) - waiting == len(readable)
        assert store.reports.count_waiting() - before == len(reports)
        found = store.reports.next_waiting(None, reach)
        assert (found is not None) == bool(store.reports.count_waiting(reach))
        assert found is None or may_read(held, found)
        counts = any(OF[scope] is not None or scope.startswith("theme:") for scope in held)
        assert (Role.reviewer in store.grants.roles_of(mine, NOW)) == counts

    db.write_now(work)


@kept
@given(st.sampled_from(sorted(OF)), st.sampled_from(THEMES), st.sampled_from(ACADEMIES))
def test_what_a_reader_may_no_longer_read_is_let_lie(
    db: Database, scope: str, theme: Theme | None, academie: str | None
) -> None:
    def work(store: Store) -> None:
        reader, other = person(store, held={scope}), person(store, held={""})
        report = told(store, theme, academie)
        report.claim(reader, NOW)
        store.session.flush()
        soon = NOW + timedelta(hours=1)
        assert (report in store.reports.left(other, soon, 500)) != may_read({scope}, report)
        assert report in store.reports.left(other, NOW + LAPSE, 500)
        within = store.reports.left(other, NOW + LAPSE, 500, Reach(themes=frozenset({"usages"})))
        assert (report in within) == (theme is Theme.usages)

    db.write_now(work)


def test_the_secretariat_reads_everything_and_an_administrator_nothing(db: Database) -> None:
    def work(store: Store) -> None:
        secretary = person(store, held={""}, role=Role.secretariat)
        assert store.grants.reach_of(secretary, NOW) == Reach(everything=True)
        administrator = person(store, held={""}, role=Role.administrator)
        assert store.grants.reach_of(administrator, NOW) == Reach()
        assert not Reach().covers(None, None)
        ended = person(store, held={""})
        store.grants.end(ended, NOW)
        assert store.grants.reach_of(ended, NOW + timedelta(seconds=1)) == Reach()

    db.write_now(work)
