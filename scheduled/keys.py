"""A data key that another process made is taken up, for what is written from now on."""

from datetime import datetime

import structlog

from bot.ticker import Job
from storage.keys import KeyRefused
from storage.store import Store
from storage.types import keyring_of

log = structlog.get_logger()

LOOK = 60.0  # seconds


def jobs() -> list[Job]:
    return [Job("keys", Renewal().look, every=LOOK)]


class Renewal:
    """Looks for a newer key, and says once that it cannot be opened."""

    def __init__(self) -> None:
        self._refused = 0

    def look(self, store: Store, now: datetime) -> None:
        keyring = keyring_of(store.session.get_bind().dialect)
        newest = store.keys.newest()
        if newest <= max(keyring.newest, self._refused):
            return
        try:
            keyring.take_up(newest)
        except KeyRefused:
            self._refused = newest
            log.warning("a new data key cannot be opened", version=newest)
        else:
            log.info("a new data key is used", version=newest)
