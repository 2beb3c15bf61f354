"""Posters are drawn on a snapshot, so that nobody waits; who invited is told of an unused end."""

from datetime import datetime

from sqlalchemy import Select, select

from bot.documents.poster import poster_pdf
from bot.entrances import poster_of, ways_of
from bot.quiet import leaves_at
from bot.rendering import texts_for
from bot.settings import Settings
from bot.ticker import Job
from storage.invitations import Invitation
from storage.people import Person
from storage.store import Store

Drawn = tuple[int, bytes]


def jobs(settings: Settings) -> list[Job]:
    return [
        Job(
            "draw posters",
            keep,
            next_due=_next_poster,
            prepare=lambda store, now: draw(store, settings),
        ),
        Job("end invitations", tell_ends, next_due=_next_end),
    ]


def _next_poster(store: Store) -> datetime | None:
    found = store.invitations.next_poster()
    return None if found is None else found.created_at


def draw(store: Store, settings: Settings) -> Drawn | None:
    """The poster that was asked for first."""
    found = store.invitations.next_poster()
    if found is None or found.poster is None:
        return None
    ways = ways_of(found.poster["code"], settings, store, gives_role=False)
    texts = texts_for(settings.language, settings.zone)
    return found.id, poster_pdf(poster_of(ways, settings, texts))


def keep(store: Store, now: datetime, drawn: Drawn) -> bool:
    """Give a poster to who asked for it, unless it was revoked meanwhile."""
    invitation_id, content = drawn
    found = store.invitations.get(invitation_id)
    if found is not None and found.poster is not None:
        found.poster = None
        file = store.files.add(content, "application/pdf", now, found.created_by)
        told = {"invitation": invitation_id, "file": file}
        maker = _maker(found)
        store.deliveries.notify("invitations.poster", told, maker, now)
    return store.invitations.next_poster() is not None


def _next_end(store: Store) -> datetime | None:
    return store.invitations.next_due()


def tell_ends(store: Store, now: datetime) -> None:
    """Tell who made an invitation to a role that it ended unused: once."""
    for one in store.invitations.ended(now):
        one.end_told_at = now
        told, due = {"invitation": one.id}, leaves_at(now)
        store.deliveries.notify("invitations.expired", told, _maker(one), now, due_at=due)
    store.session.flush()


def _maker(invitation: Invitation) -> Select[int]:
    """Who is to be told of it."""
    return select(Person.id).where(Person.id == invitation.created_by, Person.erased_at.is_(None))
