"""A person's copy of what is kept of them: data for a machine, and a page to be read."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from markupsafe import escape

from bot.academies import names
from bot.documents.copies import Enclosed, Section, page
from bot.forms import Answers, Field, Form
from bot.messages import Label, Said, Words
from bot.rendering import texts_for
from bot.restricting import known_of
from bot.routing import FORMS
from bot.settings import Settings
from bot.texts import Texts
from bot.wording import Subject, group_name
from storage.conversations import Draft
from storage.held import held_of
from storage.people import Person
from storage.polls import chosen
from storage.store import Store

ENCLOSED = 15 * 1024 * 1024  # bytes of photos and voices in a page: every platform carries it


@dataclass(frozen=True)
class Copied:
    """The two files of a copy."""

    data: bytes
    page: bytes


def copy_of(store: Store, person_id: int, settings: Settings, now: datetime) -> Copied:
    """All that is kept of a person, as JSON, and as one page in their language."""
    person = store.people.get(person_id)
    held = {"made_at": now.isoformat(), "person": person_id, **held_of(store.session, person_id)}
    data = json.dumps(held, ensure_ascii=False, indent=1).encode()
    texts = texts_for(person.language, settings.zone)
    sections = [
        _about(store, person, texts, now),
        *_reports(store, person, texts),
        *_drafts(store, person, texts),
        *_ballots(store, person, texts),
        *_letters(store, person, texts),
        *_requests(store, person, texts),
        *_acts(held["acts"], texts),
    ]
    title = texts.plain("privacy.copy_title", {"at": now})
    return Copied(data, page(texts.language, title, sections))


def summary(store: Store, person: Person, now: datetime) -> dict[str, Any]:
    """The arguments of `privacy.held`."""
    known = store.organisations.names(now.date())
    mandates = store.organisations.mandates_of(person.id, now)
    return {
        "person": person,
        "academie": person.academie and names().get(person.academie),
        "platforms": sorted({one.platform for one in store.people.accounts_of(person.id)}),
        "reports": store.reports.written_by(person.id),
        "drafts": len(store.conversations.drafts_of(person.id)),
        "ballots": store.polls.ballots_of(person.id),
        "letters": store.threads.count_of(person.id),
        "groups": [group_name(group) for group in store.groups.known_to(person.id)],
        "attendances": store.meetings.answers_of(person.id),
        "muted": [
            Words("broadcasts.plural_of", {"kind": kind})
            for kind in sorted(store.broadcasts.muted_by(person.id))
        ],
        "roles": [Words(f"people.role_{role}") for role in sorted(store.roles_of(person.id, now))],
        "organisations": [known.get(mandate.organisation_id, "") for mandate in mandates],
        "requests": store.data_requests.of_person(person.id),
        "handovers": len(store.handovers.unfinished(person.id, now)),
        "restriction": known_of(person.id, store, now),
    }


def _about(store: Store, person: Person, texts: Texts, now: datetime) -> Section:
    accounts = store.people.accounts_of(person.id)
    said = [
        texts.markup("privacy.copy_intro"),
        texts.markup("privacy.held", summary(store, person, now)),
        texts.markup("privacy.copy_accounts", {"accounts": accounts}),
    ]
    return Section(texts.plain("privacy.copy_about"), said)


def _reports(store: Store, person: Person, texts: Texts) -> list[Section]:
    """Each report with what came with it, as long as there is room for that."""
    sections, room = [], ENCLOSED
    for report in store.reports.written_by(person.id):
        enclosed: list[Enclosed] = []
        left_out = 0
        for rank, file_id in enumerate(store.files.of_report(report.id), 1):
            found = store.files.content(file_id)
            if found is None:
                continue
            if len(found[1]) > room:
                left_out += 1
                continue
            room -= len(found[1])
            name = texts.plain("privacy.copy_file", {"rank": rank, "report": report})
            enclosed.append(Enclosed(*found, name))
        academie = report.academie and names().get(report.academie)
        said = [texts.markup("reports.show", {"report": report, "academie": academie})]
        if left_out:
            said.append(texts.markup("privacy.copy_left_out", {"count": left_out}))
        sections.append(Section(report.public_id, said, enclosed))
    return sections


def _drafts(store: Store, person: Person, texts: Texts) -> list[Section]:
    """What they began to tell, question by question, and what was said outside any."""
    said = [
        texts.markup("privacy.copy_answer", {"form": form, "field": field, "answer": answer})
        for draft in store.conversations.drafts_of(person.id)
        for form, field, answer in _answers(draft)
    ]
    said += [str(escape(kept)) for kept in store.conversations.kept_of(person.id)]
    return [Section(texts.plain("privacy.copy_drafts"), said)] if said else []


def _answers(draft: Draft) -> Iterator[tuple[Label, Label, Label]]:
    """Of a draft, the form, and each question with its answer, as they are worded."""
    form = FORMS.get(draft.form.partition(".")[0])
    if form is None:
        return
    given = {**draft.state["answers"], draft.state["step"]: draft.state["partial"]}
    answers = {name: answer for name, answer in given.items() if answer is not None}
    for one in form.fields:
        if one.name in answers:
            title = Words(f"{form.noun}.{form.name}_form")
            asked = one.question(form.noun, draft.state["answers"])
            yield title, asked, _shown(form, one, draft.state["answers"], answers[one.name])


def _shown(form: Form, field: Field, known: Answers, answer: Any) -> Label:
    """An answer; one that is not whole, as it was typed."""
    return field.show(form.noun, answer) if field.name in known else Said(str(answer))


def _ballots(store: Store, person: Person, texts: Texts) -> list[Section]:
    said = []
    for poll, ballot, organisation in store.polls.cast_by(person.id):
        subject = Subject.of(poll, store)
        options: list[Label] = [subject.option(one) for one in chosen(ballot.choices)]
        said.append(
            texts.markup(
                "privacy.copy_ballot",
                {
                    "poll": poll,
                    "question": subject.question,
                    "options": options,
                    "organisation": organisation,
                    "ballot": ballot,
                },
            )
        )
    return [Section(texts.plain("privacy.copy_ballots"), said)] if said else []


def _letters(store: Store, person: Person, texts: Texts) -> list[Section]:
    letters = store.threads.all_of(person.id)
    said = [texts.markup("privacy.copy_letter", {"letter": one}) for one in letters]
    return [Section(texts.plain("privacy.copy_letters"), said)] if said else []


def _requests(store: Store, person: Person, texts: Texts) -> list[Section]:
    asked = store.data_requests.of_person(person.id)
    said = [texts.markup("privacy.copy_request", {"asked": one}) for one in asked]
    return [Section(texts.plain("privacy.copy_requests"), said)] if said else []


def _acts(acts: list[dict[str, Any]], texts: Texts) -> list[Section]:
    """What they did for the committee, and what was done about them."""
    said = []
    for one in acts:
        act = Words(f"audit.{one['act'].replace('.', '_')}")
        at = datetime.fromisoformat(one["at"])
        told = {"at": at, "act": act, "by_you": one["by_you"]}
        said.append(texts.markup("privacy.copy_act", told))
    return [Section(texts.plain("privacy.copy_acts"), said)] if said else []
