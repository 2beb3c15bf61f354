"""Composing a broadcast, for the secretariat: what leaves is what was previewed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from bot import routing
from bot.approving import void
from bot.forms import Choose, Field, Find, Form, Given, LongText, Open, Photos, Problem
from bot.messages import Label, Refused, Reply, Request, Said, Words
from bot.rights import secretariat
from bot.routing import choice, command, number
from bot.wording import group_name, listed
from handlers import academies
from handlers.broadcasts.telling import first_words, whom, worded
from handlers.people import do
from storage.broadcasts import (
    URGENT,
    Audience,
    AudienceKind,
    Broadcast,
    BroadcastKind,
    BroadcastState,
)
from storage.deliveries import subject
from storage.recommendations import Theme
from storage.store import Store

Choices = list[tuple[str, Label | str]]

LONGEST = 4000
SHOWN = 3
NARROWED = {
    AudienceKind.group: "group",
    AudienceKind.organisation: "org",
    AudienceKind.academie: "academie",
    AudienceKind.theme: "theme",
}


@dataclass(frozen=True)
class Among(Field):
    """One of those that existed when the form began, kept in its answers under `source`.

    Each, and so the answer, is `{"id", "said"}`, or `{"id", "name"}` with a message's name.
    """

    by_label: ClassVar[bool] = True

    source: str = ""

    def read(self, given: Given) -> Any:
        for one in given.answers.get(self.source, ()):
            if one["id"] == given.value:
                return one
        raise Problem("forms.choose")

    def choices(self, noun: str, given: Given) -> list[tuple[str, Label]]:
        known = given.answers.get(self.source, ())
        return [(one["id"], self.show(noun, one)) for one in known]

    def show(self, noun: str, answer: Any) -> Label:
        return Said(answer["said"]) if "said" in answer else Words(answer["name"])


@dataclass(frozen=True)
class Attached(Photos):
    """A picture or a PDF."""

    clear: ClassVar[str] = "broadcasts.remove_attached"

    def show(self, noun: str, answer: Any) -> Label:
        return Words(f"{noun}.attached")


@command("broadcast", who=secretariat)
def broadcast(request: Request, store: Store) -> Reply:
    """A new one; those under way, those that wait to be confirmed, and the last ones."""
    under_way = store.broadcasts.under_way()
    waiting = store.broadcasts.latest([BroadcastState.composed], SHOWN)
    ended = store.broadcasts.latest([BroadcastState.done, BroadcastState.cancelled], SHOWN)
    choices: Choices = [("broadcasts.compose", "broadcasts.compose")]
    choices += [(f"broadcasts.follow:{one.id}", _line(one)) for one in under_way]
    choices += [(f"broadcasts.preview:{one.id}", _line(one)) for one in waiting]
    choices += [(f"broadcasts.follow:{one.id}", _line(one)) for one in ended]
    return Reply("broadcasts.list", under_way=len(under_way), choices=[*choices, do("menu")])


def _line(one: Broadcast) -> Label:
    urgent = one.urgency is not None
    about = {"state": one.state, "urgent": urgent, "beginning": first_words(one)}
    return Words("broadcasts.line", about)


@choice("broadcasts.compose", who=secretariat)
def compose(request: Request, store: Store) -> Open:
    return Open(message_form)


@choice("broadcasts.rewrite", number, who=secretariat)
def rewrite(request: Request, store: Store, broadcast_id: int) -> Open:
    """Begin from a preview; what comes of it is another one, urgent as the one that it replaces."""
    found = composed(store, broadcast_id)
    narrowed = _narrowing(found.whom, request, store)
    return Open(
        message_form,
        given={
            "body": found.body,
            "kind": str(found.kind),
            "audience": str(found.whom.kind),
            **narrowed,
            **({"photos": [found.file_id]} if found.file_id is not None else {}),
            **({"replaces": found.id, "urgency": found.urgency} if found.urgency else {}),
        },
        fresh=True,
    )


@choice("broadcasts.preview", number, who=secretariat)
def preview(request: Request, store: Store, broadcast_id: int) -> list[Reply]:
    found = composed(store, broadcast_id)
    return previewed(found, request.now, store, decisions(found))


@choice("broadcasts.test", number, who=secretariat)
def test(request: Request, store: Store, broadcast_id: int) -> list[Reply]:
    """Say it, with its choices, to the one who asks; then what may be decided."""
    found = composed(store, broadcast_id)
    return [worded(found, store), Reply("broadcasts.tested", choices=decisions(found))]


@choice("broadcasts.drop", number, who=secretariat)
def drop(request: Request, store: Store, broadcast_id: int) -> Reply:
    if not dropped(composed(store, broadcast_id).id, request, store):
        raise overtaken(broadcast_id, store)
    choices: Choices = [do("broadcast", "broadcasts.back"), do("menu")]
    return Reply("broadcasts.dropped", choices=choices, replace=True)


def dropped(broadcast_id: int, request: Request, store: Store) -> bool:
    """Drop a preview, to which nobody has to agree any more; False if somebody was first."""
    void(URGENT, request, store, broadcast=broadcast_id)
    return store.broadcasts.drop(broadcast_id)


def composed(store: Store, broadcast_id: int) -> Broadcast:
    """A broadcast that can still be confirmed, or changed; refuse any other."""
    found = store.broadcasts.get(broadcast_id)
    if found is None or found.state is not BroadcastState.composed:
        raise overtaken(broadcast_id, store)
    return found


def overtaken(broadcast_id: int, store: Store) -> Refused:
    """Somebody was first: who confirmed it, and when; or it was dropped."""
    found = store.broadcasts.again(broadcast_id)
    if found is None:
        return Refused("broadcasts.no_preview", choices=[do("broadcast", "broadcasts.back")])
    by = store.people.get(found.confirmed_by).name if found.confirmed_by else None
    see: Choices = [(f"broadcasts.follow:{found.id}", "broadcasts.follow")]
    return Refused(
        "broadcasts.confirmed_already",
        by=by,
        at=found.confirmed_at,
        choices=[*see, do("broadcast", "broadcasts.back")],
        shows=subject("person", found.confirmed_by or 0),
    )


def previewed(
    found: Broadcast, now: datetime, store: Store, choices: Choices | None = None
) -> list[Reply]:
    """What they will read, then how many they are, and why it is urgent if it is."""
    told = Reply(
        "broadcasts.preview",
        count=store.broadcasts.count(found.whom, found.kind, now),
        to=whom(found.whom, store, now),
        kind=found.kind,
        urgency=found.urgency,
        choices=choices or (),
    )
    return [worded(found, store, choices=False), told]


def decisions(found: Broadcast) -> Choices:
    urgent = found.urgency is not None
    choices: Choices = [
        (f"broadcasts.confirm:{found.id}", f"broadcasts.confirm{'_urgent' if urgent else ''}"),
        (f"broadcasts.test:{found.id}", "broadcasts.test"),
        (f"broadcasts.rewrite:{found.id}", "broadcasts.rewrite"),
        (f"broadcasts.drop:{found.id}", "broadcasts.drop"),
    ]
    return choices if urgent else [*choices, (f"broadcasts.urgent:{found.id}", "broadcasts.urgent")]


def those_there_are(request: Request, store: Store) -> dict[str, Any]:
    """The groups and organisations there are to choose from, as `Among` takes them."""
    names = store.organisations.names(request.now.date(), short=True)
    by_name = {name: key for key, name in names.items()}
    return {
        "groups": [_kept(str(one.id), group_name(one)) for one in store.groups.all_open()],
        "organisations": [{"id": by_name[name], "said": name} for name in listed(list(by_name))],
    }


def _kept(key: str, label: Label) -> dict[str, str]:
    if isinstance(label, Said):
        return {"id": key, "said": label.text}
    return {"id": key, "name": label.name}


def _narrowing(audience: Audience, request: Request, store: Store) -> dict[str, Any]:
    """What narrows an audience, as the form's answer."""
    name = NARROWED.get(audience.kind)
    if name is None:
        return {}
    if name in ("academie", "theme"):
        return {name: audience.of}
    known = those_there_are(request, store)["groups" if name == "group" else "organisations"]
    still = [one for one in known if one["id"] == audience.of]
    return {name: still[0]} if still else {}


def _submit(request: Request, store: Store, about: str, answers: Mapping[str, Any]) -> list[Reply]:
    kind, audience = BroadcastKind(answers["kind"]), _audience(answers)
    change: Choices = [("form.change:message", "forms.change")]
    if not store.broadcasts.count(audience, kind, request.now):
        raise Refused("broadcasts.nobody", to=whom(audience, store, request.now), choices=change)
    [file_id] = answers["photos"] or [None]
    if file_id is not None and store.files.media_type(file_id) is None:
        raise Refused("broadcasts.file_gone", choices=change)
    found = store.broadcasts.compose(
        answers["body"],
        kind,
        audience,
        request.now,
        composed_by=request.person,
        file_id=file_id,
        urgency=answers.get("urgency"),
    )
    if "replaces" in answers and not dropped(answers["replaces"], request, store):
        raise overtaken(answers["replaces"], store)
    return previewed(found, request.now, store, decisions(found))


def _audience(answers: Mapping[str, Any]) -> Audience:
    kind = AudienceKind(answers["audience"])
    of = answers[NARROWED[kind]] if kind in NARROWED else None
    return Audience(kind, of["id"] if isinstance(of, dict) else of)


def _to(kind: AudienceKind) -> Callable[[Mapping[str, Any]], bool]:
    return lambda answers: answers.get("audience") == kind


message_form = routing.form(
    Form(
        "message",
        "broadcasts",
        (
            LongText("body", at_most=LONGEST),
            Choose("kind", BroadcastKind),
            Choose("audience", AudienceKind),
            Among("group", source="groups", when=_to(AudienceKind.group)),
            Among("org", source="organisations", when=_to(AudienceKind.organisation)),
            Find(
                "academie",
                search=academies.search,
                name_of=academies.name_of,
                explain=academies.explain,
                when=_to(AudienceKind.academie),
            ),
            Choose("theme", Theme, labels="recommendations.theme", when=_to(AudienceKind.theme)),
            Attached("photos", at_most=1, documents=True, optional=True),
        ),
        submit=_submit,
        begin=lambda request, store, _: those_there_are(request, store),
        who=secretariat,
        send="broadcasts.see_preview",
    )
)
