"""The review of reports by the secretariat: one reader at a time."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import literal, select

from bot import routing
from bot.forms import Form, LongText, Open
from bot.messages import Label, Refused, Reply, Request, Words
from bot.routing import choice, command, number, reviewer
from handlers import academies
from handlers.people import do
from handlers.reports import photos_of
from storage.reports import Report, Taken
from storage.store import Store


@command("review", who=reviewer)
def review(request: Request, store: Store) -> Reply:
    """How many reports wait, and the ones this reader holds."""
    held = store.reports.claimed_by(request.person)
    waiting = store.reports.count_waiting()
    choices: list[tuple[str, Label | str]] = [
        (f"reviews.read:{one.id}", Words("reviews.go_on", {"report": one})) for one in held[:5]
    ]
    if waiting:
        choices.append(("reviews.next", "reviews.read_next"))
    choices.append(do("menu"))
    return Reply("reviews.waiting", waiting=waiting, held=len(held), choices=choices)


@choice("reviews.next", who=reviewer)
def read_next(request: Request, store: Store) -> Reply:
    """Claim the report that has waited longest."""
    report = store.reports.next_waiting()
    if report is None:
        return Reply("reviews.nothing", choices=[do("menu")])
    report.claim(request.person, request.now)
    return _shown(report, store)


@choice("reviews.read", number, who=reviewer)
def read(request: Request, store: Store, report_id: int) -> Reply:
    report = _report(store, report_id)
    _try(lambda: report.claim(request.person, request.now))
    return _shown(report, store)


def _shown(report: Report, store: Store) -> Reply:
    choices: list[tuple[str, Label | str]] = []
    if report.publishable:
        choices.append((f"reviews.publish:{report.id}", "reviews.publish"))
    choices += [
        (f"reviews.keep:{report.id}", "reviews.keep"),
        (f"reviews.ask:{report.id}", "reviews.ask"),
        (f"reviews.release:{report.id}", "reviews.release"),
    ]
    academie = report.academie and academies.name_of(report.academie)
    return Reply(
        "reviews.report",
        report=report,
        academie=academie,
        files=photos_of(report, store),
        choices=choices,
        shows_report=report.id,
    )


@choice("reviews.publish", number, who=reviewer)
def publish(request: Request, store: Store, report_id: int) -> Reply:
    report = _report(store, report_id)
    _try(lambda: store.reports.publish(report, request.person, request.now))
    return _settled("published", report, request, store)


@choice("reviews.keep", number, who=reviewer)
def keep(request: Request, store: Store, report_id: int) -> Reply:
    report = _report(store, report_id)
    _try(lambda: report.settle(request.person, published=False, now=request.now))
    return _settled("kept", report, request, store)


@choice("reviews.release", number, who=reviewer)
def release(request: Request, store: Store, report_id: int) -> Reply:
    report = _report(store, report_id)
    _try(lambda: report.release(request.person, request.now))
    return Reply("reviews.released", report=report, choices=_onward(store))


@choice("reviews.ask", number, who=reviewer)
def ask(request: Request, store: Store, report_id: int) -> Open:
    report = _report(store, report_id)
    _try(lambda: report.claim(request.person, request.now))
    return Open(question_form, about=str(report_id), fresh=True)


def _submit(request: Request, store: Store, about: str, answers: Mapping[str, Any]) -> Reply:
    report = _report(store, number(about))
    _try(lambda: report.send_back(request.person, answers["asked"], request.now))
    return _settled("returned", report, request, store)


question_form = routing.form(
    Form(
        "question",
        "reviews",
        (LongText("asked", at_most=1000),),
        submit=_submit,
        who=reviewer,
        reviewed=False,
    )
)


def _settled(state: str, report: Report, request: Request, store: Store) -> Reply:
    """The author is told, and the next report is offered."""
    author = select(literal(report.author_id))
    store.session.flush()
    store.deliveries.notify(f"reports.{state}", {"report": report.id}, author, request.now)
    return Reply(f"reviews.{state}", report=report, choices=_onward(store))


def _onward(store: Store) -> list[tuple[str, Label | str]]:
    store.session.flush()
    following = [("reviews.next", "reviews.read_next")] if store.reports.count_waiting() else []
    return [*following, do("menu")]


def _report(store: Store, report_id: int) -> Report:
    report = store.reports.get(report_id)
    if report is None:
        raise Refused("reviews.taken", choices=[do("review")])
    return report


def _try(decide: Callable[[], object]) -> None:
    try:
        decide()
    except Taken:
        raise Refused("reviews.taken", choices=[do("review")]) from None
