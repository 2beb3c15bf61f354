"""Withdrawing the report that a request about data is on, for the secretariat.

Unless who asks is known to have written it, this erases what is somebody else's: that may need a
second person (`bot.approving`).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import literal, select

from bot.approving import approved, by_secretariat
from bot.messages import Label, Refused, Reply, Request, Words
from bot.rights import secretariat
from bot.routing import Recipient, choice, notice, number
from bot.settings import Sensitive
from handlers.data_requests import Choices, card, found_request, report_of, to_see
from handlers.people import do
from storage.data_requests import DataRequest, RequestKind, RequestState
from storage.reports import Report, ReportState
from storage.store import Store


@choice("data_requests.withdraw", number, who=secretariat)
def withdraw(request: Request, store: Store, request_id: int) -> Reply:
    """Ask whether it is surely the author who asks."""
    asked = found_request(store.data_requests.get(request_id))
    report = _withdrawable(asked, store)
    choices: Choices = [
        (f"data_requests.withdraw_now:{request_id}", "data_requests.withdraw_now"),
        *to_see(asked),
    ]
    mine = _is_authors(asked, report)
    return Reply("data_requests.confirm_withdrawal", report=report, mine=mine, choices=choices)


def _is_authors(asked: DataRequest, report: Report) -> bool:
    """Whether who asks for it is known, by their account, to have written a report."""
    to_go = asked.kind in (RequestKind.withdrawal, RequestKind.erasure)
    waits = asked.state is RequestState.waiting
    return to_go and waits and asked.person_id == report.author_id


@choice("data_requests.withdraw_now", number, who=secretariat)
def withdraw_now(request: Request, store: Store, request_id: int) -> Reply:
    """Withdraw the report that a request is about: of whoever else asks, this erases it."""
    asked = found_request(store.data_requests.get(request_id))
    if _is_authors(asked, _withdrawable(asked, store)):
        return _withdraw(request_id, request, store)
    return _erase_report(request, store, request_id=request_id)


def _to_withdraw(given: Mapping[str, Any], store: Store, _now: datetime) -> Label:
    asked = store.data_requests.get(given["request_id"])
    report = None if asked is None else report_of(asked, store)
    return Words("data_requests.to_withdraw", {"report": report, "asked": asked})


@approved("data_requests.withdraw", Sensitive.erasure, may=by_secretariat, worded=_to_withdraw)
def _erase_report(request: Request, store: Store, _asker: int, *, request_id: int) -> Reply:
    return _withdraw(request_id, request, store)


def _withdraw(request_id: int, request: Request, store: Store) -> Reply:
    """Withdraw the report that a request is about; its author is told."""
    asked = found_request(store.data_requests.lock(request_id))
    report = _withdrawable(asked, store)
    store.withdraw_report(report, request.now)
    request.note("reports.withdrawn", f"report:{report.id}")
    author = select(literal(report.author_id))
    store.deliveries.notify(
        "data_requests.report_withdrawn", {"report": report.id}, author, request.now
    )
    return card(asked, request, store)


def _withdrawable(asked: DataRequest, store: Store) -> Report:
    report = report_of(asked, store)
    if report is None or report.state is ReportState.withdrawn:
        raise Refused("data_requests.settled", choices=to_see(asked))
    return report


@notice("data_requests.report_withdrawn", reserved=False)
def report_withdrawn(recipient: Recipient, store: Store, report: int) -> Reply | None:
    found = store.reports.get(report)
    if found is None or found.state is not ReportState.withdrawn:
        return None
    choices = [do("write"), do("my_reports")]
    return Reply("data_requests.report_withdrawn", report=found, choices=choices)
