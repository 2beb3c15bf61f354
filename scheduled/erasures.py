"""Erasures are listed in a file outside the database, which a restore goes by."""

from datetime import datetime

import structlog

from bot.settings import Settings
from bot.ticker import Job
from storage.erasures import FILE, ErasureList
from storage.store import Store

log = structlog.get_logger()


def jobs(settings: Settings) -> list[Job]:
    listing = Listing(ErasureList(settings.data_dir / FILE))
    return [Job("erasures", note, prepare=listing.copy)]


def note(store: Store, now: datetime, copied: list[int]) -> None:
    """Note which are in the file: they are on the disk already."""
    store.erasures.note_listed(copied)


class Listing:
    """Copies erasures to the file. What it holds is compared at first, and if it went away."""

    def __init__(self, file: ErasureList) -> None:
        self.file = file
        self._compared = False
        self._writes = True

    def copy(self, store: Store, now: datetime) -> list[int] | None:
        """Add to the file what is not there yet; None if that is nothing, or cannot be."""
        try:
            copied = self._copy(store)
        except OSError as error:
            if self._writes:
                log.warning("the list of erasures cannot be written", reason=error.strerror)
            self._writes = False
            return None
        self._writes = True
        return copied or None

    def _copy(self, store: Store) -> list[int]:
        exists = self.file.path.exists()
        unlisted = missing = store.erasures.unlisted()
        if not (self._compared and exists):
            listed = self.file.read() if exists else {}
            missing = [one for one in store.erasures.all() if one.mark not in listed]
        if missing or not exists:
            self.file.append(missing)
        self._compared = True
        return [one.id for one in unlisted]
