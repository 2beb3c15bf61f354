"""What happens at a closing, without anybody."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from sqlalchemy import event, select

from bot.rendering import render, texts_for
from bot.routing import NOTICES, Recipient
from bot.settings import Settings
from scheduled.polls import announce, charts, close_due
from storage.database import Database
from storage.deliveries import Delivery, Notice
from storage.grants import Role
from storage.organisations import MandateKind, OrganisationName
from storage.polls import Electorate
from storage.store import Store

NOW = datetime(2027, 1, 11, 9, tzinfo=UTC)
CLOSING = NOW + timedelta(days=1)
MEMBERS = 30


def begun(store: Store) -> int:
    """A poll of some members and one organisation, with votes and reasons."""
    name = OrganisationName(
        organisation_id="amf", starts_on=NOW.date(), name="AMF", short_name="AMF"
    )
    store.organisations.add("amf", is_signatory=True, college=None, names=[name])
    members = [store.people.arrive("web", f"m{n}", "fr", NOW)[0].person_id for n in range(MEMBERS)]
    for member in members:
        store.grants.give(member, Role.member, NOW)
    store.organisations.appoint(members[0], "amf", MandateKind.delegate, NOW)
    store.session.flush()
    draft = store.recommendations.add_draft("Un réseau", "Le comité…", None, None, NOW)
    poll = store.polls.open(
        "",
        electorate=Electorate.both,
        closes_at=CLOSING,
        now=NOW,
        text_version_id=draft.version_id,
    )
    for rank, member in enumerate(members):
        store.polls.press(poll.id, member, rank % 4, NOW, as_member=True)
        store.polls.explain(poll.id, member, f"Raison {rank}.", NOW, as_member=True)
    return poll.id


@contextmanager
def counted(db: Database) -> Iterator[list[str]]:
    """The statements executed meanwhile."""
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    yield statements
    event.remove(db.engine, "before_cursor_execute", note)


def test_a_result_is_counted_once_and_said_to_everybody(db: Database, settings: Settings) -> None:
    texts = texts_for("fr", settings.zone)
    poll = db.write_now(begun)
    db.write_now(lambda store: close_due(store, CLOSING))
    drawn = db.read_now(lambda store: charts(store, CLOSING, texts))
    assert drawn is not None
    for _ in range(2):  # a second process comes too late
        db.write_now(lambda store: announce(store, CLOSING, drawn))
    assert db.read_now(lambda store: charts(store, CLOSING, texts)) is None

    def word(store: Store) -> set[str]:
        [notice] = store.session.scalars(select(Notice).where(Notice.name == "polls.result"))
        people = store.session.scalars(
            select(Delivery.person_id).where(Delivery.notice_id == notice.id)
        ).all()
        assert len(people) == MEMBERS
        said = set()
        for person in people:
            recipient = Recipient(person or 0, 0, CLOSING)
            reply = NOTICES["polls.result"](recipient, store, **notice.arguments)
            assert reply is not None
            said.add(render(reply, texts)["markup"])
        return said

    with counted(db) as statements:
        [said] = db.write_now(word)
    assert len([one for one in statements if "ballots" in one]) == 0, "it was counted before"
    assert len(statements) < 10, "what it costs does not grow with who reads it"
    assert "8 personnes, 1 organisation (AMF)" in said
    assert poll == 1
