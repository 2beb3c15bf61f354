"""Where what is due goes, in the profile that is open and in the strict one."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import literal, select

from bot import routing
from bot.places import ONCE
from bot.sender import Sender
from bot.settings import Channels, Settings
from storage.broadcasts import Audience, AudienceKind, BroadcastKind
from storage.database import Database
from storage.deliveries import Delivery, DeliveryState, Operation
from storage.people import Account, ChatKind
from storage.polls import Electorate
from storage.store import Store
from tests.conftest import NOW
from tests.messenger import Messenger, moved, send, somebody
from tests.people import StillClock

TOLD, VEIL = "tests.plain", "Un message du comité vous attend"


def also_on(platform: str, person: int, store: Store) -> int:
    """Another account of a person, seen before the others; its chat."""
    address = f"{platform} {person}"
    made = Account(
        person_id=person,
        platform=platform,
        address=address,
        address_index=address,
        created_at=NOW,
        last_seen_at=NOW.replace(year=2026),
    )
    store.session.add(made)
    store.session.flush()
    return store.people.chat(platform, address, account_id=made.id).id


@pytest.fixture
def telegram() -> Messenger:
    return Messenger()


@pytest.fixture
def matrix() -> Messenger:
    return Messenger()


def sender(
    settings: Settings, db: Database, channels: Channels, telegram: Messenger, matrix: Messenger
) -> Sender:
    chosen = settings.model_copy(update={"channels": channels})
    return Sender(db, chosen, StillClock(NOW), {"telegram": telegram, "matrix": matrix})


def tell(db: Database, person: int, *, name: str = TOLD) -> None:
    db.write_now(lambda store: store.deliveries.notify(name, {}, select(literal(person)), NOW))


def both(db: Database) -> int:
    """Somebody who was last seen on Telegram, and is on Matrix as well."""

    def work(store: Store) -> int:
        person, _ = somebody(store, "@both", "telegram")
        also_on("matrix", person, store)
        return person

    return db.write_now(work)


def only_on_telegram(db: Database) -> int:
    return db.write_now(lambda store: somebody(store, "@alone", "telegram")[0])


async def test_in_the_open_profile_it_goes_where_the_person_was_last(
    settings: Settings,
    db: Database,
    notices: dict[str, Any],
    telegram: Messenger,
    matrix: Messenger,
) -> None:
    tell(db, both(db))
    await send(sender(settings, db, Channels.open, telegram, matrix))
    assert [len(telegram.said), len(matrix.said)] == [1, 0]
    assert VEIL not in telegram.said[0][1]


async def test_in_the_strict_profile_it_goes_where_roles_count(
    settings: Settings,
    db: Database,
    notices: dict[str, Any],
    telegram: Messenger,
    matrix: Messenger,
) -> None:
    tell(db, both(db))
    await send(sender(settings, db, Channels.strict, telegram, matrix))
    assert [len(telegram.said), len(matrix.said)] == [0, 1]
    assert VEIL not in matrix.said[0][1]


async def test_who_is_on_telegram_alone_is_told_no_word_of_it_and_once_a_day(
    settings: Settings,
    db: Database,
    notices: dict[str, Any],
    telegram: Messenger,
    matrix: Messenger,
) -> None:
    person = only_on_telegram(db)
    sending = sender(settings, db, Channels.strict, telegram, matrix)
    for _ in range(3):
        tell(db, person)
        await send(sending)
    assert len(telegram.said) == 1
    assert VEIL in telegram.said[0][1]
    assert "Une erreur" not in telegram.said[0][1], "which the notice says"
    moved(sending, ONCE)
    tell(db, person)
    await send(sending)
    assert len(telegram.said) == 2


async def test_what_is_everybodys_goes_to_telegram_in_the_strict_profile_too(
    settings: Settings,
    db: Database,
    notices: dict[str, Any],
    telegram: Messenger,
    matrix: Messenger,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(routing.RESERVED, TOLD, False)
    tell(db, only_on_telegram(db))
    await send(sender(settings, db, Channels.strict, telegram, matrix))
    assert len(telegram.said) == 1
    assert VEIL not in telegram.said[0][1]


async def test_nothing_reserved_is_said_or_redrawn_in_a_group_of_telegram(
    settings: Settings,
    db: Database,
    notices: dict[str, Any],
    telegram: Messenger,
    matrix: Messenger,
) -> None:
    def work(store: Store) -> None:
        for platform in ("telegram", "matrix"):
            chat = store.people.chat(platform, "#room", ChatKind.group).id
            store.deliveries.tell(chat, TOLD, {}, NOW)
        _, chat = somebody(store, "@drawn", "telegram")
        store.deliveries.tell(chat, TOLD, {}, NOW)
        [told] = store.session.scalars(select(Delivery).where(Delivery.chat_id == chat))
        told.operation, told.message = Operation.edit, "7"

    db.write_now(work)
    await send(sender(settings, db, Channels.strict, telegram, matrix))
    assert [len(telegram.said), len(matrix.said)] == [0, 1]
    left = db.read_now(lambda store: store.session.scalars(select(Delivery.state)).all())
    assert sorted(left) == [DeliveryState.expired, DeliveryState.expired, DeliveryState.sent]


@pytest.mark.parametrize("signed_in", [True, False])
async def test_a_page_read_by_who_is_not_signed_in_is_told_nothing_reserved(
    settings: Settings,
    db: Database,
    notices: dict[str, Any],
    matrix: Messenger,
    signed_in: bool,
) -> None:
    def work(store: Store) -> int:
        person, chat = somebody(store, "page", "web")
        [account] = store.people.accounts_of(person)
        store.sessions.begin(account.id, NOW, signed_in=signed_in)
        store.deliveries.notify(TOLD, {}, select(literal(person)), NOW)
        return chat

    page = Messenger()
    page.keeps_page = True
    chat = db.write_now(work)
    chosen = settings.model_copy(update={"channels": Channels.strict})
    await send(Sender(db, chosen, StillClock(NOW), {"web": page, "matrix": matrix}))
    [said] = db.read_now(lambda store: store.deliveries.page_events(chat, 0))
    assert (VEIL in said.body["markup"]) == (not signed_in)


@pytest.mark.parametrize("electorate", Electorate)
def test_only_a_public_poll_is_everybodys(db: Database, electorate: Electorate) -> None:
    def work(store: Store) -> set[bool]:
        closes_at = NOW + timedelta(days=1)
        poll = store.polls.open(
            "Que faire ?", electorate=electorate, closes_at=closes_at, now=NOW, options=("a", "b")
        )
        names = ("polls.opened", "polls.result", "polls.cancelled", "polls.group_card")
        return {routing.is_reserved(name, {"poll": poll.id}, store) for name in names}

    assert db.write_now(work) == {electorate is not Electorate.public}


@pytest.mark.parametrize("kind", AudienceKind)
def test_a_broadcast_to_members_is_the_committees(db: Database, kind: AudienceKind) -> None:
    def work(store: Store) -> bool:
        made = store.broadcasts.compose("Bonjour.", BroadcastKind.news, Audience(kind, "1"), NOW)
        return routing.is_reserved("broadcasts.said", {"broadcast": made.id}, store)

    open_to = (AudienceKind.everyone, AudienceKind.academie, AudienceKind.theme)
    assert db.write_now(work) == (kind not in open_to)


def test_what_is_not_said_to_be_everybodys_is_the_committees(db: Database) -> None:
    assert db.read_now(lambda store: routing.is_reserved("nobody.declared", {}, store))
