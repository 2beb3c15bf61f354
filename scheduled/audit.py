"""The audit log is chained, and where its chain has come to is said in the log of the process."""

from datetime import datetime

import structlog

from bot.ticker import Job
from storage.store import Store

log = structlog.get_logger()


def jobs() -> list[Job]:
    return [
        Job("chain the audit log", lambda store, now: store.audit.chain(now), every=10),
        Job("say where its chain is", say_head, every=3600),
    ]


def say_head(store: Store, now: datetime) -> None:
    """Say the last link where who can write to the database cannot change it.

    `preau verify` reads such lines, and looks whether the chain still goes through them.
    """
    head = store.audit.head()
    if head is not None:
        log.info(f"audit log: {head}")
