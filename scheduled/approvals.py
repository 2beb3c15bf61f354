"""What nobody agreed to in time is not done, and who asked for it is told."""

from datetime import datetime

from sqlalchemy import literal, select

from bot.quiet import leaves_at
from bot.ticker import Job
from storage.approvals import ApprovalState
from storage.audit import BY_CLOCK
from storage.store import Store


def jobs() -> list[Job]:
    return [Job("end approvals", end, next_due=_next_due)]


def _next_due(store: Store) -> datetime | None:
    return store.approvals.next_due()


def end(store: Store, now: datetime) -> None:
    for one in store.approvals.expired(now):
        store.approvals.settle(one, ApprovalState.expired)
        store.audit.add("approvals.expired", now, via=BY_CLOCK, about=f"approval:{one.id}")
        told, asker = {"approval": one.id}, select(literal(one.asked_by))
        store.deliveries.notify("approvals.settled", told, asker, now, due_at=leaves_at(now))
