"""Finding somebody among the members, by a name, an organisation or a role: in any order."""

from collections.abc import Iterator, Mapping
from typing import Any

from bot import routing
from bot.forms import Form, Open, ShortText
from bot.messages import Label, Reply, Request, Said, Words
from bot.rendering import texts_for
from bot.rights import appointer, secretariat
from bot.routing import choice
from bot.texts import normalise
from bot.wording import numbered
from handlers.members.listing import SHOWN, SHOWS, Choices, Row, rows_of
from handlers.members.roles import lines_of
from handlers.people import do
from storage.store import Store


@choice("members.search", who=appointer)
def search(request: Request, store: Store) -> Open:
    return Open(search_form, fresh=True)


def _submit(request: Request, store: Store, about: str, answers: Mapping[str, Any]) -> Reply:
    words = normalise(answers["sought"]).split()
    texts = texts_for(request.context.language, request.zone)
    names = store.organisations.names(request.now.date())
    found: Choices = []
    for action, label, more in _everything(request, store):
        said = normalise(f"{texts.label(label)} {names.get(more, '')}")
        if words and all(f" {one}" in f" {said}" for one in words):
            found.append((action, label))
    choices: Choices = [*found[:SHOWN], ("members.search", "members.search_again")]
    return Reply(
        "members.found",
        sought=answers["sought"],
        total=len(found),
        shown=min(len(found), SHOWN),
        choices=[*choices, do("members", "members.see_all"), do("menu")],
        shows=SHOWS,
    )


def _everything(request: Request, store: Store) -> Iterator[tuple[str, Label, str]]:
    """What may be found: the action that shows it, how it is said, and of which organisation."""
    rows = rows_of(request, store)
    for row in rows:
        yield f"members.organisation:{row.id}", Said(row.name), row.id
    for row in rows:
        yield from _speakers(row, request, store)
    for grant, line in lines_of(request.now, store).items():
        yield f"members.role:{grant}", line, ""


def _speakers(row: Row, request: Request, store: Store) -> Iterator[tuple[str, Label, str]]:
    for one in row.speakers:
        mandate = one.mandate
        who = numbered(store.people.get(mandate.person_id))
        said = {"who": who, "kind": mandate.kind, "organisation": row.name}
        card = f"mandate:{mandate.id}" if secretariat(request) else f"organisation:{row.id}"
        yield f"members.{card}", Words("members.speaker_for", said), row.id


search_form = routing.form(
    Form(
        "search_members",
        "members",
        (ShortText("sought", at_most=80),),
        submit=_submit,
        who=appointer,
        reviewed=False,
    )
)
