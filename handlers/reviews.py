"""The review of reports by the secretariat: one reader at a time, one report after the other."""

import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from sqlalchemy import literal, select

from bot import routing, voice
from bot.forms import Form, Given, LongText, Open, Problem, ShortText
from bot.masking import left_in
from bot.messages import Label, Refused, Reply, Request, Words
from bot.rights import reviewer
from bot.routing import Recipient, choice, command, notice, number
from handlers import academies
from handlers.limits import choices_for
from handlers.people import do
from handlers.reports import attached_to
from storage.deliveries import subject
from storage.grants import Reach
from storage.reports import DECIDED, Report, ReportState, Taken
from storage.store import Store

Choices = list[tuple[str, Label | str]]

SHOWN = 5
_NUMBER = re.compile(r"^(?:(?:rex\W*)?(20\d\d)\W+)?(\d{1,5})$", re.IGNORECASE)


@command("review", who=reviewer)
def review(request: Request, store: Store) -> Reply:
    """How many reports wait, those this reader holds, and those that colleagues let lie."""
    reach = _reach(request, store)
    held = store.reports.claimed_by(request.person, reach)
    left = store.reports.left(request.person, request.now, reach=reach)
    waiting = store.reports.count_waiting(reach)
    choices: Choices = [
        (f"reviews.read:{one.id}", Words("reviews.go_on", {"report": one})) for one in held[:SHOWN]
    ]
    if waiting:
        choices.append(("reviews.next", "reviews.read_next"))
    choices += [
        (
            f"reviews.read:{one.id}",
            Words(
                "reviews.take_over",
                {"report": one, "days": (request.now - one.changed_at).days},
            ),
        )
        for one in left
    ]
    choices += [
        ("reviews.by_number", "reviews.by_number"),
        ("reviews.latest", "reviews.latest"),
        do("menu"),
    ]
    return Reply(
        "reviews.waiting", waiting=waiting, held=len(held), left=len(left), choices=choices
    )


@notice("reviews.waiting")
def told_waiting(recipient: Recipient, store: Store) -> Reply | None:
    reach = store.grants.reach_of(recipient.person_id, recipient.now)
    waiting = store.reports.count_waiting(reach)
    if not waiting:
        return None
    return Reply(
        "reviews.waiting",
        waiting=waiting,
        held=0,
        left=0,
        choices=[("people.do:review", "reviews.start")],
    )


@choice("reviews.next", who=reviewer)
def read_next(request: Request, store: Store) -> Reply:
    """Claim the report that has waited longest."""
    return _next(request, store)


def _next(
    request: Request,
    store: Store,
    *,
    done: Label | None = None,
    undo: Report | None = None,
    after: Report | None = None,
) -> Reply:
    """The next report, after a word on the last one.

    Args:
        done: what became of the last one.
        undo: the last one, if that can be taken back.
        after: the last one, if it was passed over.
    """
    store.session.flush()
    again: Choices = []
    if undo is not None:
        again = [(f"reviews.undo:{undo.id}", Words("reviews.undo", {"report": undo}))]
    report = store.reports.next_waiting(after, _reach(request, store))
    if report is None or report is after:
        return Reply("reviews.nothing", done=done, choices=[do("review"), *again, do("menu")])
    store.reports.take(report, request.person, request.now)
    store.session.flush()
    return _shown(report, request, store, done=done, again=again)


@choice("reviews.read", number, who=reviewer)
def read(request: Request, store: Store, report_id: int) -> Reply:
    report = _report(request, store, report_id)
    decide(report, request, lambda: store.reports.take(report, request.person, request.now))
    return _shown(report, request, store)


def _shown(
    report: Report,
    request: Request,
    store: Store,
    *,
    done: Label | None = None,
    again: Choices | None = None,
) -> Reply:
    choices: Choices = []
    if report.publishable:
        choices.append((f"reviews.publish:{report.id}", "reviews.publish"))
    choices += [
        (f"masking.see:{report.id}", "reviews.mask"),
        (f"reviews.keep:{report.id}", "reviews.keep"),
        (f"reviews.ask:{report.id}", "reviews.ask"),
        (f"reviews.pass:{report.id}", "reviews.pass_over"),
        (f"reviews.release:{report.id}", "reviews.release"),
    ]
    erase = f"members.erase_author:{report.id}"
    choices += choices_for(request, f"limits.report:{report.id}", erase)
    files = attached_to(report, store)
    return Reply(
        "reviews.report",
        report=report,
        academie=report.academie and academies.name_of(report.academie),
        remaining=store.reports.count_waiting(_reach(request, store)),
        done=done,
        voices=sum(one.media_type == voice.MEDIA_TYPE for one in files),
        found=list(left_in(report)),
        files=files,
        choices=[*choices, *(again or [])],
        shows=subject("report", report.id),
    )


@choice("reviews.publish", number, who=reviewer)
def publish(request: Request, store: Store, report_id: int) -> Reply:
    """Publish; with photos, once somebody has looked at each of them.

    A voice note is never published: a voice tells who speaks.
    """
    report = _report(request, store, report_id)
    photos = [one for one in attached_to(report, store) if one.media_type != voice.MEDIA_TYPE]
    if not photos:
        return _publish(report, request, store)
    decide(report, request, lambda: report.claim(request.person, request.now))
    choices: Choices = [
        (f"reviews.read:{report_id}", "reviews.read_again"),
        (f"reviews.publish_seen:{report_id}", "reviews.photos_seen"),
    ]
    return Reply(
        "reviews.check_photos",
        report=report,
        count=len(photos),
        files=photos,
        choices=choices,
        shows=subject("report", report_id),
    )


@choice("reviews.publish_seen", number, who=reviewer)
def publish_seen(request: Request, store: Store, report_id: int) -> Reply:
    return _publish(_report(request, store, report_id), request, store)


def _publish(report: Report, request: Request, store: Store) -> Reply:
    decide(report, request, lambda: store.reports.publish(report, request.person, request.now))
    return _settled("published", report, request, store)


@choice("reviews.keep", number, who=reviewer)
def keep(request: Request, store: Store, report_id: int) -> Reply:
    report = _report(request, store, report_id)
    decide(
        report,
        request,
        lambda: report.settle(request.person, published=False, now=request.now),
    )
    return _settled("kept", report, request, store)


@choice("reviews.pass", number, who=reviewer)
def pass_over(request: Request, store: Store, report_id: int) -> Reply:
    """Leave it to others, and read the one after it."""
    report = _report(request, store, report_id)
    decide(report, request, lambda: report.release(request.person, request.now))
    return _next(request, store, done=Words("reviews.released", {"report": report}), after=report)


@choice("reviews.release", number, who=reviewer)
def release(request: Request, store: Store, report_id: int) -> Reply:
    report = _report(request, store, report_id)
    decide(report, request, lambda: report.release(request.person, request.now))
    return Reply("reviews.released", report=report, choices=[do("review"), do("menu")])


@choice("reviews.ask", number, who=reviewer)
def ask(request: Request, store: Store, report_id: int) -> Open:
    report = _report(request, store, report_id)
    decide(report, request, lambda: store.reports.take(report, request.person, request.now))
    return Open(question_form, about=str(report_id), fresh=True)


def _submit(request: Request, store: Store, about: str, answers: Mapping[str, Any]) -> Reply:
    report = _report(request, store, number(about))
    question = answers["asked"]
    decide(report, request, lambda: report.send_back(request.person, question, request.now))
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
    """The author is told, and the next report is shown at once."""
    request.note(f"reports.{state}", f"report:{report.id}")
    store.session.flush()
    store.deliveries.notify(
        f"reports.{state}",
        {"report": report.id},
        select(literal(report.author_id)),
        request.now,
    )
    return _next(request, store, done=Words(f"reviews.{state}", {"report": report}), undo=report)


@choice("reviews.undo", number, who=reviewer)
def undo(request: Request, store: Store, report_id: int) -> Reply:
    """Take one's decision back; its author is told that it is being read again."""
    report = _report(request, store, report_id)
    decide(report, request, lambda: store.reopen_report(report, request.person, request.now))
    request.note("reports.reopened", f"report:{report_id}")
    author = select(literal(report.author_id))
    store.deliveries.notify("reviews.reopened", {"report": report_id}, author, request.now)
    return _shown(report, request, store, done=Words("reviews.undone", {"report": report}))


@notice("reviews.reopened", reserved=False)
def reopened(recipient: Recipient, store: Store, report: int) -> Reply | None:
    found = store.reports.get(report)
    if found is None or found.state is not ReportState.claimed:
        return None
    return Reply("reviews.reopened", report=found, choices=[do("my_reports")])


@choice("reviews.latest", who=reviewer)
def latest(request: Request, store: Store) -> Reply:
    """The last reports that this reader decided on."""
    decided = store.reports.decided_by(request.person, SHOWN, _reach(request, store))
    choices: Choices = [
        (f"reviews.see:{one.id}", Words("reviews.line", {"report": one})) for one in decided
    ]
    return Reply("reviews.latest_list", count=len(decided), choices=[*choices, do("review")])


@choice("reviews.see", number, who=reviewer)
def see(request: Request, store: Store, report_id: int) -> Reply:
    return _decided(_report(request, store, report_id), request, store)


def _decided(report: Report, request: Request, store: Store) -> Reply:
    """A report whose review has ended, to be read again."""
    if report.state not in DECIDED:
        raise _refusal(report, request)
    choices: Choices = []
    if report.claimed_by == request.person:
        choices.append((f"reviews.undo:{report.id}", Words("reviews.undo", {"report": report})))
    return Reply(
        "reviews.decided_report",
        report=report,
        academie=report.academie and academies.name_of(report.academie),
        files=attached_to(report, store),
        choices=[do("review"), *choices],
        shows=subject("report", report.id),
    )


@choice("reviews.by_number", who=reviewer)
def by_number(request: Request, store: Store) -> Open:
    return Open(number_form, fresh=True)


class ReportNumber(ShortText):
    """The number of a report: a command's word is none, and does what it says."""

    free: ClassVar[bool] = False

    def read(self, given: Given) -> str:
        typed = super().read(given).strip()
        if _NUMBER.match(typed) is None:
            raise Problem("reviews.no_such_number")
        return typed


def _open_number(request: Request, store: Store, about: str, answers: Mapping[str, Any]) -> Reply:
    typed = _NUMBER.match(answers["rex"])
    year = typed and (typed[1] or request.now.astimezone(request.zone).year)
    report = typed and store.reports.numbered(f"REX-{year}-{int(typed[2]):05d}")
    if report is None:
        again: Choices = [("reviews.by_number", "reviews.by_number"), do("review")]
        raise Refused("reviews.no_such_number", choices=again)
    return opened(_within_reach(report, request, store), request, store)


def opened(report: Report, request: Request, store: Store) -> Reply:
    """A report in a reader's hands; one whose review has ended, to be read again."""
    if report.state in DECIDED:
        return _decided(report, request, store)
    return read(request, store, report.id)


number_form = routing.form(
    Form(
        "number",
        "reviews",
        (ReportNumber("rex", at_most=20),),
        submit=_open_number,
        who=reviewer,
        reviewed=False,
    )
)


def _report(request: Request, store: Store, report_id: int) -> Report:
    report = store.reports.get(report_id)
    if report is None:
        raise Refused("reviews.withdrawn", choices=_onward())
    return _within_reach(report, request, store)


def held_report(request: Request, store: Store, report_id: int) -> Report:
    """A report that this reader holds; refuse any other."""
    report = _report(request, store, report_id)
    decide(report, request, lambda: report.claim(request.person, request.now))
    return report


def _reach(request: Request, store: Store) -> Reach:
    """What this reader may read: all, or some themes and académies."""
    return store.grants.reach_of(request.person, request.now)


def may_read(report: Report, request: Request, store: Store) -> bool:
    """Whether who asks may read a report before it is published."""
    covers = _reach(request, store).covers
    return reviewer(request) and covers(report.theme, report.academie)


def _within_reach(report: Report, request: Request, store: Store) -> Report:
    """A report of this reader's themes and académies; refuse any other."""
    if not may_read(report, request, store):
        raise Refused("reviews.not_yours", choices=_onward())
    return report


def decide(report: Report, request: Request, decide: Callable[[], object]) -> None:
    try:
        decide()
    except Taken:
        raise _refusal(report, request) from None


def _refusal(report: Report, request: Request) -> Refused:
    """Why a report is not in this reader's hands, and what to do instead."""
    mine = report.claimed_by == request.person
    match report.state:
        case ReportState.withdrawn:
            return Refused("reviews.withdrawn", choices=_onward())
        case ReportState.claimed if not mine:
            return Refused("reviews.taken", report=report, choices=_onward())
        case ReportState.submitted:
            take = (f"reviews.read:{report.id}", Words("reviews.go_on", {"report": report}))
            return Refused("reviews.let_go", report=report, choices=[take, *_onward()])
        case _ if mine:
            choices: Choices = [(f"reviews.see:{report.id}", "reviews.read_again"), *_onward()]
            return Refused("reviews.decided_by_you", report=report, choices=choices)
    return Refused("reviews.decided", report=report, choices=_onward())


def _onward() -> Choices:
    return [("reviews.next", "reviews.read_next"), do("review")]
