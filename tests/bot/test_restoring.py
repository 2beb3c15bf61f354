"""What a restore brings back, and what it must not."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from bot.clock import Clock
from bot.platforms.matrix.login import Login, kept_login
from scheduled.erasures import Listing, note
from storage.broadcasts import Audience, AudienceKind, Broadcast, BroadcastKind, BroadcastState
from storage.database import Database
from storage.deliveries import Delivery, DeliveryState, Failure, Kind, Operation, Outgoing
from storage.erasures import FILE, ErasureList
from storage.grants import Role
from storage.invitations import TO_A_ROLE, Invitation
from storage.linking import Linking
from storage.reports import Content, PublishedReport, Report, ReportKind, ReportState
from storage.sessions import Redemption, ReturnCode, WebSession
from storage.store import Store
from tests.bot.test_backing_up import empty_url
from tests.conftest import NOW, SECRET
from tests.test_cli import Preau, line_of, preau

__all__ = ["empty_url", "preau"]

NEW = "sqlite:///new.db"
LATER = NOW + timedelta(days=30)


class Site:
    """A database that is served, backed up and restored elsewhere, by the clock of the world."""

    def __init__(self, url: str, preau: Preau, folder: Path) -> None:
        self.url = url
        self.preau = preau
        self.folder = folder
        self.now = Clock().now()
        self.db = self._opened(url)
        self.listing = Listing(ErasureList(folder / FILE))

    def _opened(self, url: str) -> Database:
        db = Database(url, [SECRET])
        db.open()
        return db

    def list_erasures(self) -> None:
        copied = self.db.read_now(lambda store: self.listing.copy(store, self.now))
        if copied is not None:
            self.db.write_now(lambda store: note(store, self.now, copied))

    def back_up(self) -> None:
        assert self.preau("backup", "b.zip", DATABASE_URL=self.url).code == 0

    def restore(self, *arguments: str, into: str = NEW, data: str = ".") -> tuple[str, Database]:
        """Into an empty database: what was said, and the database."""
        given = {"DATABASE_URL": into, "SECRET_KEY": SECRET, "DATA_DIR": data}
        said = self.preau("restore", "b.zip", *arguments, **given)
        assert said.code == 0, said.err
        return said.out, self._opened(into)


@pytest.fixture
def site(database_url: str, preau: Preau, tmp_path: Path) -> Iterator[Site]:
    made = Site(database_url, preau, tmp_path)
    yield made
    made.db.close()


def tell(store: Store, name: str, now: Any) -> int:
    """Somebody who gave a report; its id."""
    account, _ = store.people.arrive("web", name, "fr", now)
    content = Content("…", ReportKind.need, None, publishable=True, title=f"de {name}")
    return store.reports.submit(account.person_id, None, None, content, now).id


def titles(store: Store) -> list[str]:
    return list(store.session.scalars(select(Report.title).order_by(Report.id)))


def test_what_was_erased_since_stays_so(site: Site, empty_url: str) -> None:
    def before(store: Store) -> list[int]:
        return [tell(store, name, site.now) for name in ("anna", "jean", "zoe", "max")]

    def since(store: Store) -> None:
        author = {one.id: one.author_id for one in store.session.scalars(select(Report))}
        store.erase(author[anna], site.now + timedelta(hours=1))
        report = store.reports.get(jean)
        assert report is not None
        store.withdraw_report(report, site.now + timedelta(hours=1))
        store.forget_writings(author[zoe], site.now + timedelta(hours=1))

    anna, jean, zoe, _ = site.db.write_now(before)
    site.list_erasures()
    site.back_up()
    site.db.write_now(since)
    site.list_erasures()
    said, restored = site.restore(into=empty_url)
    assert "erased again: 1 people, 2 reports" in said
    assert restored.read_now(titles) == ["", "", "de max"]
    states = select(Report.state).order_by(Report.id)
    found = restored.read_now(lambda store: list(store.session.scalars(states)))
    assert found == [ReportState.withdrawn, ReportState.withdrawn, ReportState.submitted]
    assert restored.read_now(lambda store: len(store.erasures.unlisted())) == 0
    restored.close()


def test_what_was_written_after_an_erasure_stays(site: Site) -> None:
    """Writings that were taken back before the backup; since then there are others."""

    def write(store: Store) -> None:
        tell(store, "anna", site.now - timedelta(days=2))
        store.forget_writings(1, site.now - timedelta(days=1))
        tell(store, "anna", site.now - timedelta(hours=1))

    site.db.write_now(write)
    site.list_erasures()
    site.back_up()
    said, restored = site.restore()
    assert "erased again: 0 people, 0 reports" in said
    assert restored.read_now(titles) == ["", "de anna"]
    restored.close()


def test_what_is_to_be_public_no_more_is_not_public_again(site: Site) -> None:
    """A consent that was withdrawn since the backup; another was before it, and given again."""

    def publish(store: Store) -> None:
        for name in ("anna", "jean"):
            tell(store, name, site.now - timedelta(days=2))
        store.unpublish_of(2, site.now - timedelta(days=1))
        for report in store.session.scalars(select(Report)).all():
            report.publishable = True
            report.claim(1, site.now)
            store.reports.publish(report, 1, site.now)

    site.db.write_now(publish)
    site.list_erasures()
    site.back_up()
    site.db.write_now(lambda store: store.unpublish_of(1, site.now + timedelta(hours=1)))
    site.list_erasures()
    said, restored = site.restore()
    assert "erased again: 0 people, 1 reports" in said
    public = select(PublishedReport.report_id)
    assert restored.read_now(lambda store: store.session.scalars(public).all()) == [2]
    assert restored.read_now(titles) == ["de anna", "de jean"]
    restored.close()


def test_an_id_that_is_given_again_is_somebody_elses(site: Site) -> None:
    """The one who was erased came after the backup, and so did another after the restore."""
    site.list_erasures()
    site.back_up()
    site.db.write_now(lambda store: tell(store, "anna", site.now))
    site.db.write_now(lambda store: store.erase(1, site.now))
    site.list_erasures()
    _, restored = site.restore()
    restored.write_now(lambda store: tell(store, "max", site.now + timedelta(hours=1)))
    restored.close()
    again = {"DATABASE_URL": NEW}
    (site.folder / "b.zip").unlink()
    assert site.preau("backup", "b.zip", **again).code == 0
    (site.folder / "new.db").unlink()
    said, restored = site.restore()
    assert "erased again: 0 people" in said
    assert restored.read_now(titles) == ["de max"]
    restored.close()


def test_a_list_from_elsewhere_is_kept_here(site: Site) -> None:
    site.db.write_now(lambda store: tell(store, "anna", site.now))
    site.list_erasures()
    site.back_up()
    site.db.write_now(lambda store: store.erase(1, site.now + timedelta(hours=1)))
    site.list_erasures()
    said, restored = site.restore("--erasures", FILE, data="elsewhere")
    assert "erased again: 1 people" in said
    restored.close()
    own = ErasureList(site.folder / "elsewhere" / FILE)
    assert own.read() == ErasureList(site.folder / FILE).read()


def test_the_list_of_another_database_is_refused(site: Site) -> None:
    site.db.write_now(lambda store: tell(store, "anna", site.now))
    site.db.write_now(lambda store: store.erase(1, site.now))
    site.list_erasures()
    site.back_up()
    (site.folder / "other").touch()
    given = {"DATABASE_URL": NEW, "SECRET_KEY": SECRET, "DATA_DIR": "elsewhere"}
    said = site.preau("restore", "b.zip", "--erasures", "other", **given)
    assert said.code == 1
    assert "other lacks 1 erasures that the backup knows" in line_of(said)
    assert list(site.folder.glob("new.db*")) == []
    _, restored = site.restore("--without-erasures", data="elsewhere")
    assert restored.read_now(lambda store: len(store.erasures.unlisted())) == 1
    restored.close()


def test_no_session_nor_code_comes_back(site: Site) -> None:
    def begin(store: Store) -> None:
        account, _ = store.people.arrive("web", "anna", "fr", site.now)
        chat = store.people.chat("web", "anna", account_id=account.id)
        token = store.sessions.begin(account.id, site.now)
        assert token
        store.sessions.new_return_code(account.id, site.now)
        store.sessions.remember_redemption("CODE", "request", account.id, False, site.now)
        session = store.session.scalars(select(WebSession.id)).one()
        store.session.add(
            Linking(
                account_id=account.id,
                chat_id=chat.id,
                session_id=session,
                code="LINKCODE",
                state="offered",
                decided={},
                expires_at=LATER,
            )
        )
        for role, uses in ((Role.secretariat, 1), (None, 50)):
            ends_at = site.now + TO_A_ROLE
            store.invitations.invite(role=role, uses=uses, expires_at=ends_at, now=site.now)
        store.matrix.put("login", "", vars(Login("h", "@preau:h", "DEVICE", "token", 41)))

    site.db.write_now(begin)
    site.back_up()
    _, restored = site.restore("--without-erasures")

    def look(store: Store) -> None:
        for model in (WebSession, Redemption, Linking):
            assert store.session.scalars(select(model)).all() == []
        assert store.session.scalars(select(ReturnCode)).all() != []
        found = store.session.execute(select(Invitation.role, Invitation.uses_left)).all()
        assert {tuple(row) for row in found} == {(Role.secretariat, 0), (None, 50)}
        login = kept_login(store)
        assert login is not None
        assert login.generation == 0  # thus an older copy, whenever it was made

    restored.read_now(look)
    restored.close()


def test_nothing_is_said_again(site: Site, empty_url: str) -> None:
    """What was on its way may have come; what is due later is still said then."""
    later = site.now + timedelta(days=1)

    def queue(store: Store) -> None:
        account, _ = store.people.arrive("telegram", "1", "fr", site.now)
        chat = store.people.chat("telegram", "1", account_id=account.id)
        [reply, deleting] = store.deliveries.queue(
            chat.id,
            "",
            [Outgoing({}), Outgoing({}, operation=Operation.delete, message="7")],
            site.now,
        )
        people = store.people.everybody()
        store.deliveries.notify("a", {}, people, site.now)
        store.deliveries.notify("b", {}, people, site.now, due_at=later, kind=Kind.reminder)
        broadcast = store.deliveries.notify("c", {}, people, site.now, kind=Kind.broadcast)
        names.update({reply: "reply", deleting: "deleting"})
        for state in (BroadcastState.confirmed, BroadcastState.leaving):
            one = store.broadcasts.compose(
                "x", BroadcastKind.news, Audience(AudienceKind.everyone), site.now
            )
            one.state, one.leaves_at = state, site.now
            if state is BroadcastState.leaving:
                one.notice_id, one.spread_to = broadcast, 0

    names: dict[int, str] = {}
    site.db.write_now(queue)
    site.back_up()
    _, restored = site.restore("--without-erasures", into=empty_url)

    def look(store: Store) -> None:
        rows = list(store.session.scalars(select(Delivery).order_by(Delivery.id)))
        found = [(names.get(row.id, row.kind), row.state, row.failure) for row in rows]
        assert found == [
            ("reply", DeliveryState.expired, None),
            ("deleting", DeliveryState.sending, None),
            (Kind.notice, DeliveryState.expired, None),
            (Kind.reminder, DeliveryState.waiting, None),
            (Kind.broadcast, DeliveryState.failed, Failure.in_doubt),
        ]
        wanted = select(Broadcast.state, Broadcast.spread_to).order_by(Broadcast.id)
        states = [tuple(row) for row in store.session.execute(wanted)]
        assert states == [(BroadcastState.cancelled, None), (BroadcastState.leaving, None)]
        assert [len(store.following.ending(later))] == [1]

    restored.read_now(look)
    restored.close()


def test_doctor_looks_at_the_list(site: Site) -> None:
    given = {"DATABASE_URL": site.url, "SECRET_KEY": SECRET, "DATA_DIR": ".", "WEB_PORT": "0"}
    site.db.write_now(lambda store: tell(store, "anna", site.now))
    site.db.write_now(lambda store: store.erase(1, site.now))
    said = site.preau("doctor", **given)
    assert said.code == 1
    assert "PREAU_DATA_DIR: erasures lacks 1 erasures: `preau run` adds them" in said.out
    site.list_erasures()
    assert site.preau("doctor", **given).code == 0
    (site.folder / FILE).unlink()
    assert "lacks 1 erasures" in site.preau("doctor", **given).out
    (site.folder / FILE).mkdir()
    assert "erasures cannot be read" in site.preau("doctor", **given).out
