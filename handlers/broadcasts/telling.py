"""A broadcast as each of its recipients reads it, and the words for whom it is for."""

from datetime import datetime

from bot.forms.filling import attachment
from bot.markup import as_plain, beginning, marked
from bot.messages import Attachment, Label, Reply, Said, Words
from bot.routing import Recipient, notice
from bot.wording import group_name
from handlers import academies
from storage.broadcasts import Audience, AudienceKind, Broadcast
from storage.store import Store

COMMITTEE = (AudienceKind.members, AudienceKind.group, AudienceKind.organisation)


def worded(broadcast: Broadcast, store: Store, *, choices: bool = True) -> Reply:
    """The very message: the preview, a test and each recipient get these words."""
    return Reply(
        "broadcasts.said",
        text=marked(broadcast.body),
        urgent=broadcast.urgency is not None,
        files=attached(broadcast, store),
        choices=_choices(broadcast) if choices else (),
    )


def _choices(broadcast: Broadcast) -> list[tuple[str, Label | str]]:
    return [
        (f"threads.write:{broadcast.id}", "broadcasts.answer"),
        (f"broadcasts.mute:{broadcast.kind}", f"broadcasts.mute_{broadcast.kind}"),
    ]


def attached(broadcast: Broadcast, store: Store) -> list[Attachment]:
    if broadcast.file_id is None:
        return []
    media_type = store.files.media_type(broadcast.file_id)
    if media_type is None:
        return []
    return [attachment(broadcast.file_id, media_type)]


def _for_committee(store: Store, broadcast: int) -> bool:
    """Whether a broadcast is for members, and not for whoever reported something, or everybody."""
    found = store.broadcasts.get(broadcast)
    return found is None or found.whom.kind in COMMITTEE


@notice("broadcasts.said", reserved=_for_committee)
def said(recipient: Recipient, store: Store, broadcast: int) -> Reply | None:
    """Not said to who asked, since it left, not to be told."""
    found = store.broadcasts.get(broadcast)
    if found is None or store.broadcasts.is_muted(found, recipient.person_id):
        return None
    return worded(found, store)


def first_words(broadcast: Broadcast) -> str:
    """By which a broadcast is recognised in a list."""
    return beginning(as_plain(marked(broadcast.body)), 40)


def whom(audience: Audience, store: Store, now: datetime) -> Label:
    """Whom a broadcast is for."""
    return Words("broadcasts.whom", {"kind": audience.kind, "of": _narrowed(audience, store, now)})


def _narrowed(audience: Audience, store: Store, now: datetime) -> Label | None:
    given = audience.of or ""
    match audience.kind:
        case AudienceKind.group:
            group = store.groups.get(int(given))
            return group_name(group) if group is not None else Said(given)
        case AudienceKind.organisation:
            return Said(store.organisations.names(now.date(), short=True).get(given, given))
        case AudienceKind.academie:
            return Said(academies.name_of(given) or given)
        case AudienceKind.theme:
            return Words(f"recommendations.theme_{given}")
    return None
