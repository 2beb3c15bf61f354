"""What was erased is listed outside the database, whatever happens in between."""

import stat
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from scheduled.erasures import Listing, note
from storage.database import Database
from storage.erasures import FILE, ErasureKind, ErasureList
from storage.people import Person
from storage.reports import Content, ReportKind
from storage.store import Store
from tests.conftest import NOW
from tests.stage import Stage


@pytest.fixture
def file(tmp_path: Path) -> ErasureList:
    return ErasureList(tmp_path / "kept" / FILE)


def arrive(store: Store, name: str = "somebody") -> int:
    return store.people.arrive("web", name, "fr", NOW)[0].person_id


def erase_one(db: Database, name: str = "somebody") -> int:
    person = db.write_now(lambda store: arrive(store, name))
    db.write_now(lambda store: store.erase(person, NOW))
    return person


def tick(db: Database, listing: Listing) -> None:
    """As the clock does it."""
    copied = db.read_now(lambda store: listing.copy(store, NOW))
    if copied is not None:
        db.write_now(lambda store: note(store, NOW, copied))


def unlisted(db: Database) -> int:
    return db.read_now(lambda store: len(store.erasures.unlisted()))


def test_what_is_erased_is_listed_by_a_hash(db: Database, file: ErasureList) -> None:
    person = erase_one(db)
    tick(db, Listing(file))
    mark = db.read_now(lambda store: store.erasures.mark(ErasureKind.person, person, NOW))
    assert file.path.read_text() == f"{NOW.isoformat()} person {mark.hex()}\n"
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert unlisted(db) == 0


def test_reports_and_writings_are_listed_too(db: Database, file: ErasureList) -> None:
    def tell(store: Store) -> None:
        person = arrive(store)
        content = Content("…", ReportKind.need, None, publishable=True, title="…")
        report = store.reports.submit(person, None, None, content, NOW)
        store.withdraw_report(report, NOW)
        store.forget_writings(person, NOW)

    db.write_now(tell)
    tick(db, Listing(file))
    assert {line.kind for line in file.read().values()} == {"report", "writings"}


def test_there_is_a_list_from_the_start(db: Database, file: ErasureList) -> None:
    tick(db, Listing(file))
    assert file.read() == {}


def test_a_kill_between_loses_nothing(db: Database, file: ErasureList) -> None:
    """Once before the line was written, once before it was noted, once amid it."""
    listing = Listing(file)
    tick(db, listing)
    erase_one(db, "one")
    db.read_now(lambda store: listing.copy(store, NOW))  # and killed
    erase_one(db, "two")
    with file.path.open("ab") as half:
        half.write(file.path.read_bytes()[:40])
    tick(db, Listing(file))
    assert len(file.read()) == 2
    assert unlisted(db) == 0


@pytest.mark.parametrize("restarted", [True, False])
def test_a_list_that_went_away_is_made_again(
    db: Database, file: ErasureList, restarted: bool
) -> None:
    listing = Listing(file)
    erase_one(db)
    tick(db, listing)
    before = file.read()
    file.path.unlink()
    tick(db, Listing(file) if restarted else listing)
    assert file.read() == before


def test_an_erasure_does_not_wait_for_its_file(db: Database, tmp_path: Path) -> None:
    (tmp_path / "kept").touch()  # no folder: it cannot be written
    listing = Listing(ErasureList(tmp_path / "kept" / FILE))
    erase_one(db)
    with capture_logs() as logs:
        tick(db, listing)
        tick(db, listing)
    assert [one["event"] for one in logs] == ["the list of erasures cannot be written"]
    (tmp_path / "kept").unlink()
    tick(db, listing)
    assert len(listing.file.read()) == 1


def test_who_was_two_is_listed_as_both(db: Database, file: ErasureList) -> None:
    """A backup of before knows them as two."""
    both = db.write_now(lambda store: [arrive(store, name) for name in ("a", "b")])

    def merge(store: Store) -> None:
        store.session.get_one(Person, both[1]).merged_into = both[0]

    db.write_now(merge)
    db.write_now(lambda store: store.erase(both[0], NOW))
    tick(db, Listing(file))

    def marks(store: Store) -> set[bytes]:
        return {store.erasures.mark(ErasureKind.person, one, NOW) for one in both}

    assert set(file.read()) == db.read_now(marks)


async def test_the_clock_lists_what_people_erase(stage: Stage, tmp_path: Path) -> None:
    guest = await stage.guest()
    await guest.say("données")
    await guest.press("Tout effacer")
    await guest.say("effacer")
    listing = next(job for job in stage.service.ticker.jobs if job.name == "erasures")
    await stage.service.ticker._tick(listing)
    assert len(ErasureList(tmp_path / FILE).read()) == 1
