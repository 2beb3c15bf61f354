"""What the database holds at the end of a campaign, read once."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from sqlalchemy import select

from campaigns.backstage import GROUP
from storage.broadcasts import Audience, AudienceKind, Broadcast, BroadcastKind
from storage.deliveries import Delivery, DeliveryState, Failure, Kind, Notice, Operation
from storage.following import Progress
from storage.groups import Groups
from storage.meetings import Meeting, MeetingAnswer, Reminder
from storage.people import Chat
from storage.store import Store


@dataclass(frozen=True)
class Told:
    """One delivery."""

    notice: int | None
    person: int | None
    chat: int | None
    kind: Kind
    operation: Operation
    state: DeliveryState
    event: int | None
    done_at: datetime | None
    body: dict[str, Any] | None
    id: int
    message: str | None
    poll: str | None
    failure: Failure | None
    attempts: int

    @property
    def on_page(self) -> bool:
        return self.state is DeliveryState.on_page

    @property
    def markup(self) -> str:
        return str((self.body or {}).get("markup", ""))


_told = select(
    Delivery.notice_id,
    Delivery.person_id,
    Delivery.chat_id,
    Delivery.kind,
    Delivery.operation,
    Delivery.state,
    Delivery.event,
    Delivery.done_at,
    Delivery.body,
    Delivery.id,
    Delivery.message,
    Delivery.poll,
    Delivery.failure,
    Delivery.attempts,
).order_by(Delivery.chat_id, Delivery.event)


class Records:
    """Rows of a database that nobody changes any more. The store must stay open meanwhile."""

    def __init__(self, store: Store) -> None:
        self.store = store
        session = store.session
        self.told = [Told(*row) for row in session.execute(_told)]
        self.broadcasts = {one.id: one for one in session.scalars(select(Broadcast))}
        self.meetings = {one.id: one for one in session.scalars(select(Meeting))}
        self.reminders = list(session.scalars(select(Reminder)))
        self.answers = {
            (one.meeting_id, one.person_id): one.answer
            for one in session.scalars(select(MeetingAnswer))
        }
        self.members = set(session.scalars(Groups(session).members(GROUP)))
        self.everyone = self.audience(Audience(AudienceKind.everyone))
        self.last_events = dict(session.execute(select(Chat.id, Chat.last_event)).all())
        self.notices: dict[int, tuple[str, dict[str, Any]]] = {
            one.id: (one.name, one.arguments) for one in session.scalars(select(Notice))
        }

    def audience(self, audience: Audience) -> set[int]:
        """Nobody was muted, and everybody was there before the first broadcast."""
        now = datetime.now(UTC)
        wanted = self.store.broadcasts.recipients(audience, BroadcastKind.news, now)
        return set(self.store.session.scalars(wanted))

    def progress(self, broadcast: Broadcast) -> Progress:
        return self.store.following.progress(broadcast)

    @cached_property
    def by_notice(self) -> dict[int, list[Told]]:
        found: dict[int, list[Told]] = {number: [] for number in self.notices}
        for one in self.told:
            if one.notice is not None:
                found[one.notice].append(one)
        return found

    @cached_property
    def by_chat(self) -> dict[int, list[Told]]:
        """What stands on each page, in the order of its events."""
        found: dict[int, list[Told]] = defaultdict(list)
        for one in self.told:
            if one.chat is not None and one.on_page:
                found[one.chat].append(one)
        return found

    def named(self, name: str, **arguments: Any) -> list[int]:
        """The notices of a name that say so of some arguments."""
        return [
            number
            for number, (known, given) in self.notices.items()
            if known == name and arguments.items() <= given.items()
        ]
