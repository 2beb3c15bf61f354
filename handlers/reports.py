"""Experience reports, for those who give them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bot import routing
from bot.forms import UNSURE, Answers, Choose, Find, Form, LongText, Open, Photos, ShortText, YesNo
from bot.forms.filling import ranked
from bot.forms.masking import Masking
from bot.limiting import spend
from bot.markup import beginning
from bot.messages import Attachment, Label, Refused, Reply, Request, Words
from bot.restricting import check_gives
from bot.rights import anyone, author
from bot.routing import Recipient, choice, command, notice, number
from handlers import academies
from handlers.people import do, first_code
from storage.deliveries import subject
from storage.limits import REPORTS
from storage.people import Profile
from storage.recommendations import Theme
from storage.reports import Content, Level, Report, ReportKind, ReportState, Taken
from storage.store import Store

PAGE = 6
TITLE = 80
PUPIL = "pupil"
NOWHERE = ("abroad", UNSURE)  # what may be answered instead of an académie


def propose_title(answers: Answers) -> str:
    """The first words of the story, cut at a word."""
    line = " ".join(str(answers["story"]).split())
    sentence = line.partition(". ")[0].rstrip(".")
    if len(sentence) <= TITLE:
        return sentence
    return sentence[:TITLE].rpartition(" ")[0].rstrip(" ,;:") + "…"


def _begin(request: Request, store: Store, about: str) -> dict[str, Any]:
    if about:
        return _answers(_mine(request, store, number(about)), store)
    person = store.people.get(request.person)
    known = {"profile": person.profile, "academie": person.academie}
    return {name: str(value) for name, value in known.items() if value is not None}


def _submit(request: Request, store: Store, about: str, answers: Mapping[str, Any]) -> list[Reply]:
    content = Content(
        story=answers["story"],
        kind=ReportKind(answers["kind"]),
        theme=Theme(answers["theme"]) if answers["theme"] else None,
        publishable=answers["publishable"] == "yes",
        title=answers["title"] or propose_title(answers),
        level=Level(answers["level"]) if answers["level"] else None,
        equipment=answers["equipment"],
        advice=answers["advice"],
        relayed=answers["relayed"] == "yes",
        photos=tuple(answers["photos"] or ()),
    )
    profile = Profile(answers["profile"]) if answers["profile"] else None
    academie = None if answers["academie"] in NOWHERE else answers["academie"]
    check_gives(request, store)
    if about:
        report = _mine(request, store, number(about))
        return [_revised("reports.revised", report, content, profile, academie, request, store)]
    spend(request, store, REPORTS)
    person = store.people.get(request.person)
    person.profile, person.academie = profile, academie
    report = store.reports.submit(person.id, profile, academie, content, request.now)
    choices = [do("my_reports"), do("menu")]
    submitted = Reply("reports.submitted", report=report, choices=choices)
    return [submitted, *first_code(request, store)]


def _revised(
    name: str,
    report: Report,
    content: Content,
    profile: Profile | None,
    academie: str | None,
    request: Request,
    store: Store,
) -> Reply:
    """Take an author's changes, unless the report is being read."""
    try:
        store.reports.revise(report, content, request.now, profile=profile, academie=academie)
    except Taken:
        raise Refused("reports.being_read", choices=[do("my_reports")]) from None
    return Reply(name, report=report, choices=[do("my_reports"), do("menu")])


report_form = routing.form(
    Form(
        "report",
        "reports",
        (
            LongText("story", at_most=4000, meagre=60),
            Choose("kind", ReportKind),
            Choose("theme", Theme, labels="recommendations.theme", unsure=True),
            Choose(
                "profile",
                (*(str(one) for one in Profile if one is not Profile.member), PUPIL),
                labels="people.profile",
                refused={"invited": "people.use_code"},
                grave=(PUPIL,),
                once=True,
            ),
            Find(
                "academie",
                search=academies.search,
                name_of=academies.name_of,
                explain=academies.explain,
                others=NOWHERE,
            ),
            Choose("publishable", ("yes", "no")),
            Masking("masking", texts=("story", "title", "equipment", "advice")),
            ShortText("title", optional=True, at_most=TITLE + 40, propose=propose_title),
            Choose("level", Level, optional=True),
            ShortText("equipment", optional=True, at_most=200),
            LongText("advice", optional=True, at_most=1500),
            Photos("photos", optional=True, at_most=5, voices=True),
            YesNo("relayed", optional=True),
        ),
        submit=_submit,
        who=anyone,
        begin=_begin,
        send="reports.send",
        halt=lambda answers: "people.pupil" if answers.get("profile") == PUPIL else None,
    )
)


def _answer(request: Request, store: Store, about: str, answers: Mapping[str, Any]) -> Reply:
    """The answer to a question of the secretariat stands under the story."""
    check_gives(request, store)
    report = _mine(request, store, number(about))
    story = f"{report.story}\n\n{answers['answer']}"
    content = replace(_content(report, store), story=story)
    store.conversations.drop_draft(request.person, f"{report_form.name}.{about}")
    return _revised(
        "reports.answered", report, content, report.profile, report.academie, request, store
    )


answer_form = routing.form(
    Form(
        "answer",
        "reports",
        (LongText("answer", at_most=2000), Masking("masking", texts=("answer",))),
        submit=_answer,
        who=author,
        reviewed=False,
    )
)


@command("report", who=anyone)
def report(request: Request, store: Store) -> Open | Reply:
    """Begin a report, unless something said before could be its story: then ask."""
    check_gives(request, store)
    return Open(report_form) if request.context.kept is None else _offer_kept(request, store)


@choice("reports.tell_kept", who=anyone)
def tell_kept(request: Request, store: Store) -> Open | Reply:
    """Tell as a report what was said outside any form; a draft is not replaced unasked."""
    check_gives(request, store)
    has_draft = store.conversations.draft(request.person, report_form.name) is not None
    if has_draft and request.context.kept is not None:
        return _offer_kept(request, store)
    return Open(report_form, with_kept=True)


def _offer_kept(request: Request, store: Store) -> Reply:
    has_draft = store.conversations.draft(request.person, report_form.name) is not None
    choices = [
        ("reports.tell_kept", "reports.take_kept"),
        ("reports.leave_kept", "reports.leave_kept"),
    ]
    if has_draft:
        choices[0] = ("reports.replace_draft", "reports.replace_draft")
        choices.insert(0, (routing.form_action("resume", report_form.name), "forms.resume"))
    kept = beginning(request.context.kept or "")
    return Reply("reports.offer_kept", kept=kept, has_draft=has_draft, choices=choices)


@choice("reports.replace_draft", who=anyone)
def replace_draft(request: Request, store: Store) -> Open:
    return Open(report_form, fresh=request.context.kept is not None, with_kept=True)


@choice("reports.leave_kept", who=anyone)
def leave_kept(request: Request, store: Store) -> Open:
    """Write something else than what was kept."""
    request.context.kept = None
    return Open(report_form)


@command("my_reports", who=anyone)
def my_reports(request: Request, store: Store) -> Reply:
    return _list(request, store, 0)


@choice("reports.mine", number, who=anyone)
def my_reports_from(request: Request, store: Store, first: int) -> Reply:
    return _list(request, store, first)


def _list(request: Request, store: Store, first: int) -> Reply:
    written = store.reports.written_by(request.person)
    if not written:
        return Reply("reports.nothing", choices=[do("report"), do("menu")])
    shown = written[first : first + PAGE]
    choices: list[tuple[str, Label | str]] = [
        (f"reports.show:{one.id}", Words("reports.line", {"report": one})) for one in shown
    ]
    if first + PAGE < len(written):
        choices.append((f"reports.mine:{first + PAGE}", "reports.earlier"))
    return Reply("reports.list", count=len(written), choices=choices)


@choice("reports.show", number, who=author)
def show(request: Request, store: Store, report_id: int) -> Reply:
    return shown(_mine(request, store, report_id), store)


def published_one(report_id: int, store: Store) -> Reply:
    """A report as everybody may read it."""
    public = store.reports.published(report_id)
    if public is None:
        raise not_public()
    return Reply(
        "reports.public",
        report=public,
        academie=public.academie and academies.name_of(public.academie),
        choices=[do("report"), do("menu")],
        shows=subject("report", public.report_id),
    )


def not_public() -> Refused:
    return Refused("reports.not_public", choices=[do("my_reports"), do("menu")])


def shown(report: Report, store: Store, name: str = "reports.show") -> Reply:
    """A report as its author sees it, with what can be done about it."""
    choices: list[tuple[str, Label | str]] = []
    if report.state is ReportState.returned:
        choices.append((f"reports.answer:{report.id}", "reports.answer_question"))
    if report.can_change:
        choices.append((f"reports.change:{report.id}", "reports.change"))
    if report.state is not ReportState.withdrawn:
        choices.append((f"reports.withdraw:{report.id}", "reports.withdraw"))
    choices.append(do("my_reports"))
    academie = report.academie and academies.name_of(report.academie)
    return Reply(
        name,
        report=report,
        academie=academie,
        files=attached_to(report, store),
        choices=choices,
        shows=subject("report", report.id),
    )


def attached_to(report: Report, store: Store) -> list[Attachment]:
    """Its photos and voice notes; for its author and its readers, never for the public."""
    types = store.files.media_types(store.files.of_report(report.id))
    return [
        Attachment(one, Words(f"reports.{kind}_name", {"rank": rank, "report": report}), types[one])
        for one, kind, rank in ranked(types)
    ]


@choice("reports.change", number, who=author)
def change(request: Request, store: Store, report_id: int) -> Open:
    _changeable(request, store, report_id)
    return Open(report_form, about=str(report_id))


@choice("reports.answer", number, who=author)
def answer(request: Request, store: Store, report_id: int) -> Open:
    """Answer the question of the secretariat."""
    _changeable(request, store, report_id)
    return Open(answer_form, about=str(report_id))


@choice("reports.answer_kept", number, who=author)
def answer_kept(request: Request, store: Store, report_id: int) -> Open:
    """Send as the answer what was said outside any form."""
    _changeable(request, store, report_id)
    fresh = request.context.kept is not None
    return Open(answer_form, about=str(report_id), fresh=fresh, with_kept=True)


def _changeable(request: Request, store: Store, report_id: int) -> None:
    check_gives(request, store)
    if not _mine(request, store, report_id).can_change:
        raise Refused("reports.being_read", choices=[do("my_reports")])


@choice("reports.withdraw", number, who=author)
def withdraw(request: Request, store: Store, report_id: int) -> Reply:
    report = _mine(request, store, report_id)
    choices = [
        (f"reports.withdraw_now:{report_id}", "reports.withdraw_now"),
        (f"reports.show:{report_id}", "reports.keep_it"),
    ]
    return Reply("reports.confirm_withdrawal", report=report, choices=choices)


@choice("reports.withdraw_now", number, who=author)
def withdraw_now(request: Request, store: Store, report_id: int) -> Reply:
    report = _mine(request, store, report_id)
    if report.state is not ReportState.withdrawn:
        store.withdraw_report(report, request.now)
        store.conversations.drop_draft(request.person, f"{report_form.name}.{report_id}")
    return Reply("reports.withdrawn", report=report, choices=[do("my_reports")], replace=True)


@notice("reports.published", reserved=False)
def published(recipient: Recipient, store: Store, report: int) -> Reply | None:
    return _told("reports.published", recipient, store, report, ReportState.published)


@notice("reports.kept", reserved=False)
def kept(recipient: Recipient, store: Store, report: int) -> Reply | None:
    return _told("reports.kept", recipient, store, report, ReportState.kept)


@notice("reports.returned", reserved=False)
def sent_back(recipient: Recipient, store: Store, report: int) -> Reply | None:
    return _told("reports.returned", recipient, store, report, ReportState.returned)


def _told(
    name: str, recipient: Recipient, store: Store, report_id: int, state: ReportState
) -> Reply | None:
    """What became of a report, unless that is no longer so."""
    report = store.reports.get(report_id)
    if report is None or report.author_id != recipient.person_id or report.state is not state:
        return None
    choices = [(f"reports.show:{report_id}", "reports.read_again")]
    if report.can_change:
        choices = [
            (f"reports.answer:{report_id}", "reports.answer_question"),
            (f"reports.change:{report_id}", "reports.change"),
            *choices,
        ]
    return Reply(name, report=report, choices=choices)


def _mine(request: Request, store: Store, report_id: int) -> Report:
    report = store.reports.get(report_id)
    if report is None or report.author_id != request.person:
        raise Refused("reports.not_yours")
    return report


def _content(report: Report, store: Store) -> Content:
    """What a report tells, as its author sent it."""
    return Content(
        story=report.story,
        kind=report.kind,
        theme=report.theme,
        publishable=report.publishable,
        title=report.title,
        level=report.level,
        equipment=report.equipment,
        advice=report.advice,
        relayed=report.relayed,
        photos=store.files.of_report(report.id),
    )


def _answers(report: Report, store: Store) -> dict[str, Any]:
    """A report as the form's answers."""
    answers: dict[str, Any] = {
        "story": report.story,
        "kind": report.kind,
        "theme": report.theme or UNSURE,
        "profile": report.profile or Profile.other,
        "academie": report.academie or UNSURE,
        "publishable": "yes" if report.publishable else "no",
        "title": report.title,
        "level": report.level,
        "equipment": report.equipment,
        "advice": report.advice,
        "relayed": "yes" if report.relayed else None,
        "photos": store.files.of_report(report.id) or None,
    }
    return {name: value for name, value in answers.items() if value is not None}
