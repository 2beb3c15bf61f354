"""Two transactions at once: the second sees what the first wrote, on both databases."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

from sqlalchemy import func, select

from storage.approvals import Approval, ApprovalState
from storage.conversations import Place
from storage.database import Database
from storage.people import Account
from storage.reports import Content, PublishedReport, ReportKind, ReportState
from storage.store import Store
from tests.conftest import NOW

HELD = 0.3  # seconds for which the first keeps its locks
HOME = Place("web", "somebody", "somebody", "")
Work = Callable[[Store], Any]


def one_after_the_other(db: Database, first: Work, second: Work) -> Any:
    """Begin the second while the first holds its locks; what the second gave."""
    held = Event()

    def holding(store: Store) -> None:
        first(store)
        store.session.flush()
        held.set()
        time.sleep(HELD)

    with ThreadPoolExecutor(2) as threads:
        begun = threads.submit(db.write_now, holding)
        held.wait(5)
        after = threads.submit(db.write_now, second)
        begun.result(10)
        return after.result(10)


def somebody(store: Store, address: str = "somebody") -> Account:
    account, _ = store.people.arrive("web", address, "fr", NOW)
    chat = store.people.chat("web", address, account_id=account.id)
    store.conversations.begin(chat, account, "", NOW)
    return account


def test_an_update_sees_what_the_one_before_kept(db: Database) -> None:
    db.write_now(lambda store: somebody(store).id)

    def opens_a_form(store: Store) -> None:
        context = store.conversations.find([HOME], NOW)[HOME]
        context.form, context.kept = "report", "said"
        store.conversations.keep([context], NOW)

    def answers(store: Store) -> tuple[str | None, str | None]:
        context = store.conversations.find([HOME], NOW)[HOME]
        store.conversations.keep([context], NOW)
        return context.form, context.kept

    assert one_after_the_other(db, opens_a_form, answers) == ("report", "said")
    kept = db.read_now(lambda store: store.conversations.find([HOME], NOW, lock=False)[HOME])
    assert (kept.form, kept.kept) == ("report", "said")


def waiting_report(store: Store) -> tuple[int, int, int]:
    author, reviewer = somebody(store), somebody(store, "reviewer")
    content = Content("a secret story", ReportKind.need, None, publishable=True, title="title")
    report = store.reports.submit(author.person_id, None, None, content, NOW)
    store.reports.take(report, reviewer.person_id, NOW)
    return author.person_id, reviewer.person_id, report.id


def test_what_is_taken_back_while_it_is_published_is_public_no_more(db: Database) -> None:
    author, reviewer, number = db.write_now(waiting_report)

    def publish(store: Store) -> None:
        report = store.reports.get(number)
        assert report is not None
        store.reports.publish(report, reviewer, NOW)

    one_after_the_other(db, publish, lambda store: store.forget_writings(author, NOW))
    public = select(func.count()).select_from(PublishedReport)
    assert db.read_now(lambda store: store.session.execute(public).scalar()) == 0


def test_a_reader_who_is_erased_holds_nothing(db: Database) -> None:
    author, reviewer, number = db.write_now(waiting_report)

    def take(store: Store) -> None:
        report = store.reports.get(number)
        assert report is not None
        store.reports.take(report, reviewer, NOW)

    one_after_the_other(db, take, lambda store: store.erase(reviewer, NOW))
    [left] = db.read_now(lambda store: store.reports.written_by(author))
    assert (left.state, left.claimed_by) == (ReportState.submitted, None)


def test_what_is_decided_is_not_void(db: Database) -> None:
    def asked(store: Store) -> int:
        return store.approvals.ask("members.erase", {}, somebody(store).person_id, NOW).id

    approval = db.write_now(asked)

    def accept(store: Store) -> None:
        found = store.approvals.lock(approval, NOW)
        assert found is not None
        assert store.approvals.settle(found, ApprovalState.accepted)

    def void(store: Store) -> list[Approval]:
        return store.approvals.void("members.erase", {}, NOW)

    assert one_after_the_other(db, accept, void) == []
    found = db.read_now(lambda store: store.approvals.get(approval))
    assert found is not None
    assert found.state is ApprovalState.accepted
