"""Masking in a report that is read: what was found in it, and any words a reader names.

Its author's own text stays as they sent it; what is published is masked.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from bot import routing
from bot.forms import Form, Open, ShortText
from bot.masking import NAMED, label, left_in
from bot.messages import Label, Refused, Reply, Request, Words
from bot.rights import reviewer
from bot.routing import choice, number
from handlers.reviews import decide, held_report
from storage.deliveries import subject
from storage.reports import Report
from storage.store import Store

Choices = list[tuple[str, Label | str]]

SHOWN = 6  # pieces that are offered one by one
_DIGEST = 10  # hexadecimal digits: what a reader was shown, whatever was masked since


@choice("masking.see", number, who=reviewer)
def see(request: Request, store: Store, report_id: int) -> Reply:
    """A report as it would be published, and what is still found in it."""
    report = held_report(request, store, report_id)
    return _shown(report)


def _shown(report: Report) -> Reply:
    found = list(left_in(report).items())
    choices: Choices = []
    if found:
        choices.append((f"masking.all:{report.id}", "masking.mask_all"))
    choices += [
        (
            f"masking.one:{report.id}:{_digest(words)}",
            Words("masking.mask_one", {"words": words, "mask": mask}),
        )
        for words, mask in found[:SHOWN]
    ]
    choices.append((f"masking.name:{report.id}", "masking.mask_words"))
    if report.masked:
        choices.append((f"masking.undo:{report.id}", "masking.undo"))
    choices.append((f"reviews.read:{report.id}", "masking.go_back"))
    return Reply(
        "masking.shown",
        report=report,
        texts=[report.publicly(text) for text in report.texts],
        found=[words for words, _ in found],
        choices=choices,
        shows=subject("report", report.id),
    )


@choice("masking.all", number, who=reviewer)
def mask_all(request: Request, store: Store, report_id: int) -> Reply:
    report = held_report(request, store, report_id)
    return _mask(report, list(left_in(report).items()), request)


@choice("masking.one", number, str, who=reviewer)
def mask_one(request: Request, store: Store, report_id: int, digest: str) -> Reply:
    report = held_report(request, store, report_id)
    chosen = [one for one in left_in(report).items() if _digest(one[0]) == digest]
    return _mask(report, chosen, request)


@choice("masking.name", number, who=reviewer)
def name_words(request: Request, store: Store, report_id: int) -> Open:
    held_report(request, store, report_id)
    return Open(words_form, about=str(report_id), fresh=True)


def _mask_words(request: Request, store: Store, about: str, answers: Mapping[str, Any]) -> Reply:
    report = held_report(request, store, number(about))
    words = answers["words"].strip("«»\"' ")
    if not words or all(words.casefold() not in text.casefold() for text in report.texts):
        again: Choices = [(f"masking.name:{report.id}", "masking.mask_words")]
        back = (f"masking.see:{report.id}", "masking.look")
        raise Refused("masking.not_there", words=words, choices=[*again, back])
    return _mask(report, [(words, label(NAMED))], request)


words_form = routing.form(
    Form(
        "words",
        "masking",
        (ShortText("words", at_most=120),),
        submit=_mask_words,
        who=reviewer,
        reviewed=False,
    )
)


@choice("masking.undo", number, who=reviewer)
def undo(request: Request, store: Store, report_id: int) -> Reply:
    """Have it published as its author sent it."""
    report = held_report(request, store, report_id)
    decide(report, request, lambda: report.unmask(request.person))
    request.note("reports.unmasked", f"report:{report.id}")
    return _shown(report)


def _mask(report: Report, pieces: list[tuple[str, str]], request: Request) -> Reply:
    decide(report, request, lambda: report.mask(request.person, pieces))
    if pieces:
        request.note("reports.masked", f"report:{report.id}")
    return _shown(report)


def _digest(words: str) -> str:
    return sha256(words.encode()).hexdigest()[:_DIGEST]
