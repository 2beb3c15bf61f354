"""What people ask about their data: asking it in chat, and the secretariat's answers.

Who has no account asks on the public page (`bot.platforms.web.public`).
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import literal, select

from bot import routing
from bot.data_requests import told
from bot.forms import Choose, Form, LongText, Open
from bot.limiting import spend
from bot.messages import Label, Refused, Reply, Request, Words
from bot.rights import anyone, secretariat
from bot.routing import PUBLIC_ID, Recipient, choice, command, notice, number
from handlers.people import do
from storage.data_requests import Asked, DataRequest, RequestKind, RequestState, Settled
from storage.deliveries import subject
from storage.limits import ASKING
from storage.reports import Report, ReportState
from storage.store import Store

Choices = list[tuple[str, Label | str]]

SHOWN = 8  # requests in a list


@choice("data_requests.ask", who=anyone)
def ask(request: Request, store: Store) -> Open:
    return Open(request_form)


@choice("data_requests.contest", who=anyone)
def contest(request: Request, store: Store) -> Open:
    """Contest a pause or an exclusion."""
    return _contest()


@choice("data_requests.contest_kept", who=anyone)
def contest_kept(request: Request, store: Store) -> Open:
    """As `contest`, with what was said outside any form."""
    return _contest(with_kept=True)


def _contest(*, with_kept: bool = False) -> Open:
    kind = RequestKind.contest
    return Open(request_form, about=kind, given={"kind": kind}, with_kept=with_kept)


def _submit(request: Request, store: Store, about: str, answers: Mapping[str, Any]) -> Reply:
    spend(request, store, ASKING)
    asked = Asked(RequestKind(answers["kind"]), answers["said"], person_id=request.person)
    made = store.data_requests.add(asked, request.now)
    told(store, made, request.now)
    return Reply("data_requests.made", asked=made, choices=[do("privacy"), do("menu")])


request_form = routing.form(
    Form(
        "request",
        "data_requests",
        (Choose("kind", RequestKind), LongText("said", at_most=2000)),
        submit=_submit,
        who=anyone,
    )
)


@notice("data_requests.waits")
def waits(recipient: Recipient, store: Store, request: int) -> Reply | None:
    """A new request, for the secretariat."""
    found = _waiting(store, request)
    return Reply("data_requests.waits", asked=found, choices=to_see(found)) if found else None


@notice("data_requests.due")
def due(recipient: Recipient, store: Store) -> Reply | None:
    """Answers are due soon, or late: the most urgent, and how many others wait."""
    waiting = store.data_requests.waiting()
    if not waiting:
        return None
    asked, now = waiting[0], recipient.now
    days = max(_days_left(asked, now), 1) if now < asked.due_at else 0
    others = len(waiting) - 1
    return Reply("data_requests.due", asked=asked, days=days, others=others, choices=to_see(asked))


def _waiting(store: Store, request_id: int) -> DataRequest | None:
    found = store.data_requests.get(request_id)
    return found if found is not None and found.state is RequestState.waiting else None


def to_see(asked: DataRequest) -> Choices:
    return [(f"data_requests.see:{asked.id}", "data_requests.see"), do("data_requests")]


@command("data_requests", who=secretariat)
def data_requests(request: Request, store: Store) -> Reply:
    """Those to be answered, the most urgent first."""
    waiting = store.data_requests.waiting()
    choices: Choices = [_line(one, request) for one in waiting[:SHOWN]]
    choices.append(("data_requests.closed", "data_requests.see_closed"))
    return Reply("data_requests.list", waiting=len(waiting), choices=[*choices, do("menu")])


@choice("data_requests.closed", who=secretariat)
def closed(request: Request, store: Store) -> Reply:
    """Those answered last; each is kept for a year."""
    found = store.data_requests.closed(SHOWN)
    choices: Choices = [_line(one, request) for one in found]
    return Reply("data_requests.closed", count=len(found), choices=[*choices, do("data_requests")])


def _line(asked: DataRequest, request: Request) -> tuple[str, Label]:
    given = {"asked": asked, "left": _days_left(asked, request.now)}
    return f"data_requests.see:{asked.id}", Words("data_requests.line", given)


def _days_left(asked: DataRequest, now: datetime) -> int:
    return (asked.due_at.date() - now.date()).days


@choice("data_requests.see", number, who=secretariat)
def see(request: Request, store: Store, request_id: int) -> Reply:
    return card(found_request(store.data_requests.get(request_id)), request, store)


def card(asked: DataRequest, request: Request, store: Store) -> Reply:
    """A request, and what can be done about it."""
    choices: Choices = []
    report = report_of(asked, store)
    if asked.state is RequestState.waiting:
        if report is not None and report.state is not ReportState.withdrawn:
            withdraw = Words("data_requests.withdraw", {"report": report})
            choices.append((f"data_requests.withdraw:{asked.id}", withdraw))
        choices += [
            (f"data_requests.grant:{asked.id}", "data_requests.grant"),
            (f"data_requests.refuse:{asked.id}", "data_requests.refuse"),
        ]
        if asked.kind is RequestKind.erasure and asked.person_id is not None:
            choices.append((f"members.erase:{asked.person_id}", "members.erase"))
        elif asked.kind is RequestKind.erasure and report is not None:
            author = Words("members.erase_author", {"report": report})
            choices.append((f"members.erase_author:{report.id}", author))
        if asked.can_extend(request.now):
            choices.append((f"data_requests.extend:{asked.id}", "data_requests.extend"))
    person = store.people.find(asked.person_id) if asked.person_id is not None else None
    return Reply(
        "data_requests.card",
        asked=asked,
        report=report,
        has_account=person is not None,
        name=person.name if person is not None else asked.name,
        late=asked.state is RequestState.waiting and request.now > asked.due_at,
        choices=[*choices, do("data_requests")],
        shows=subject("request", asked.id),
    )


def report_of(asked: DataRequest, store: Store) -> Report | None:
    """The report that a request is about, if it names one that there is."""
    named = PUBLIC_ID.search((asked.report or asked.said).upper())
    return store.reports.numbered(named[0]) if named else None


@choice("data_requests.grant", number, who=secretariat)
def grant(request: Request, store: Store, request_id: int) -> Reply:
    """Ask whether what was asked is done."""
    asked = found_request(store.data_requests.get(request_id))
    choices: Choices = [
        (f"data_requests.grant_now:{request_id}", "data_requests.grant_now"),
        *to_see(asked),
    ]
    return Reply("data_requests.confirm_grant", asked=asked, choices=choices)


@choice("data_requests.grant_now", number, who=secretariat)
def grant_now(request: Request, store: Store, request_id: int) -> Reply:
    def decide(asked: DataRequest) -> None:
        asked.close(RequestState.granted, request.person, request.now)

    return _decided("granted", request_id, decide, request, store)


@choice("data_requests.refuse", number, who=secretariat)
def refuse(request: Request, store: Store, request_id: int) -> Open:
    _open(store, request_id)
    return Open(refusal_form, about=str(request_id), fresh=True)


def _refuse(request: Request, store: Store, about: str, answers: Mapping[str, Any]) -> Reply:
    def decide(asked: DataRequest) -> None:
        asked.close(RequestState.refused, request.person, request.now, answers["refusal"])

    return _decided("refused", number(about), decide, request, store)


@choice("data_requests.extend", number, who=secretariat)
def extend(request: Request, store: Store, request_id: int) -> Open:
    _open(store, request_id)
    return Open(extension_form, about=str(request_id), fresh=True)


def _extend(request: Request, store: Store, about: str, answers: Mapping[str, Any]) -> Reply:
    def decide(asked: DataRequest) -> None:
        asked.extend(answers["extension"], request.now)

    return _decided("extended", number(about), decide, request, store)


refusal_form = routing.form(
    Form(
        "refusal",
        "data_requests",
        (LongText("refusal", at_most=1000),),
        submit=_refuse,
        who=secretariat,
    )
)
extension_form = routing.form(
    Form(
        "extension",
        "data_requests",
        (LongText("extension", at_most=1000),),
        submit=_extend,
        who=secretariat,
    )
)


def _decided(
    done: str,
    request_id: int,
    decide: Callable[[DataRequest], None],
    request: Request,
    store: Store,
) -> Reply:
    """Decide on a request; who asked in chat is told, the others are for the secretariat to tell.

    Args:
        done: what was done, as the audit log and the notice call it.
    """
    asked = found_request(store.data_requests.lock(request_id))
    try:
        decide(asked)
    except Settled:
        raise Refused("data_requests.settled", choices=to_see(asked)) from None
    request.note(f"data_requests.{done}", f"request:{asked.id}")
    store.session.flush()
    if asked.person_id is not None:
        person = select(literal(asked.person_id))
        store.deliveries.notify(
            "data_requests.answered", {"request": asked.id, "done": done}, person, request.now
        )
    return Reply(
        "data_requests.decided",
        asked=asked,
        done=done,
        choices=[do("data_requests"), do("menu")],
        shows=subject("request", asked.id),
    )


@notice("data_requests.answered", reserved=False)
def answered(recipient: Recipient, store: Store, request: int, done: str) -> Reply | None:
    """What became of what somebody asked."""
    found = store.data_requests.get(request)
    if found is None or found.person_id != recipient.person_id:
        return None
    choices = [do("privacy"), do("menu")]
    return Reply("data_requests.answered", asked=found, done=done, choices=choices)


def found_request(found: DataRequest | None) -> DataRequest:
    if found is None:
        raise Refused("data_requests.gone", choices=[do("data_requests"), do("menu")])
    return found


def _open(store: Store, request_id: int) -> None:
    asked = found_request(store.data_requests.get(request_id))
    if asked.state is not RequestState.waiting:
        raise Refused("data_requests.settled", choices=to_see(asked))
