"""Codes that link accounts; where notices go; an account that parts."""

from datetime import datetime, timedelta

from sqlalchemy import func, select

from scheduled.linking import end
from storage.conversations import Conversation, Place
from storage.database import Database
from storage.deliveries import Outgoing
from storage.linking import SERVES, WAITS, Linking, LinkingState
from storage.people import Account, ChatState
from storage.sessions import ReturnCode, WebSession
from storage.store import Store
from tests.conftest import NOW
from tests.storage.test_merging import somebody, two

LATER = NOW + timedelta(minutes=1)


def chat_of(store: Store, account_id: int) -> int:
    [chat] = store.people.direct_chats_of(account_id)
    return chat.id


def offered(store: Store, account_id: int, now: datetime = NOW) -> str:
    return store.linking.offer(account_id, chat_of(store, account_id), None, now)


def count(store: Store) -> int:
    return store.session.execute(select(func.count(Linking.id))).scalar_one()


def test_a_code_serves_once_until_it_is_replaced_or_too_old(db: Database) -> None:
    def run(store: Store) -> None:
        _, (first, _) = two(store)
        before, code = offered(store, first), offered(store, first)
        assert store.linking.offered(before, LATER) is None
        assert store.linking.offered(code.lower().replace("-", " "), LATER) is not None
        assert store.linking.offered(code, NOW + SERVES) is None
        assert store.linking.burn(code, LATER)
        assert not store.linking.burn(code, LATER)
        assert store.linking.offered(code, LATER) is None

    db.write_now(run)


def test_a_code_is_kept_as_a_keyed_hash(db: Database) -> None:
    def run(store: Store) -> str:
        _, (first, _) = two(store)
        return offered(store, first)

    code = db.write_now(run)
    with db.engine.connect() as connection:
        kept = connection.exec_driver_sql("SELECT code FROM linkings").scalar_one()
    assert code.replace("-", "").encode() not in bytes(kept)
    assert len(bytes(kept)) == 32


def test_each_step_has_its_time_and_what_nobody_finished_goes(db: Database) -> None:
    def run(store: Store) -> None:
        _, (first, _) = two(store)
        linking = store.linking.offered(offered(store, first), NOW)
        assert linking is not None
        linking.advance(LinkingState.typed, LATER)
        assert linking.expires_at == LATER + SERVES
        linking.advance(LinkingState.waiting, LATER)
        assert linking.expires_at == LATER + WAITS
        offered(store, first)
        assert count(store) == 2, "what waits for the secretariat goes on"
        store.linking.forget(LATER + SERVES)
        assert count(store) == 1
        store.linking.forget(LATER + WAITS)
        assert count(store) == 1, "who said yes is told how it ends"
        assert store.linking.next_end() == LATER + WAITS
        assert store.linking.ended(LATER + WAITS) == [linking]
        end(store, LATER + WAITS)
        assert count(store) == 0

    db.write_now(run)


def test_whoever_is_erased_links_nothing(db: Database) -> None:
    def run(store: Store) -> int:
        (kept, _), (first, _) = two(store)
        offered(store, first)
        store.erase(kept, LATER)
        return count(store)

    assert db.write_now(run) == 0


def test_a_session_that_ends_takes_its_linking_along(db: Database) -> None:
    def run(store: Store) -> int:
        _, (first, _) = two(store)
        store.sessions.begin(first, NOW)
        session = store.session.scalars(select(WebSession.id)).one()
        store.linking.offer(first, chat_of(store, first), session, NOW)
        store.sessions.end_by_id(session)
        return count(store)

    assert db.write_now(run) == 0


# Where notices go


def said(store: Store, address: str, at: datetime, platform: str = "web") -> None:
    context = store.conversations.find([Place(platform, address, address, "")], at)
    store.conversations.keep(list(context.values()), at)


def test_notices_go_where_a_person_spoke_last_or_where_they_chose(db: Database) -> None:
    def run(store: Store) -> None:
        (kept, _), (first, other) = two(store)
        store.merge((first, other), {}, NOW)
        page, messenger = chat_of(store, first), chat_of(store, other)
        said(store, "two", NOW + timedelta(seconds=1), "telegram")
        said(store, "one", NOW + timedelta(seconds=2))
        assert store.people.direct_chats([kept]) == {kept: page}
        said(store, "two", NOW + timedelta(seconds=3), "telegram")
        assert store.people.direct_chats([kept]) == {kept: messenger}
        store.people.choose_account(kept, first)
        assert store.people.direct_chats([kept]) == {kept: page}
        store.people.choose_account(kept, other)
        assert store.people.direct_chats([kept]) == {kept: messenger}
        assert store.people.direct_chats([kept], ["web"]) == {kept: page}
        store.people.mark_chat(messenger, ChatState.blocked)
        assert store.people.direct_chats([kept]) == {kept: page}, "elsewhere, if it is blocked"
        store.people.choose_account(kept, None)
        assert [one.takes_notices for one in store.people.accounts_of(kept)] == [False, False]

    db.write_now(run)


def test_of_two_chats_of_one_account_it_is_the_last_one_spoken_in(db: Database) -> None:
    def run(store: Store) -> None:
        person, account_id = somebody(store, "one", "matrix")
        account = store.session.get_one(Account, account_id)
        newer = store.people.chat("matrix", "another", account_id=account_id)
        store.conversations.begin(newer, account, "", NOW)
        said(store, "one", LATER, "matrix")
        assert store.people.direct_chats([person])[person] != newer.id

    db.write_now(run)


# Parting


def test_an_account_that_parts_starts_afresh(db: Database) -> None:
    def run(store: Store) -> None:
        (kept, _), (first, other) = two(store)
        store.merge((first, other), {}, NOW)
        store.sessions.begin(first, NOW)
        store.sessions.new_return_code(first, NOW)
        store.people.choose_account(kept, first)
        page = chat_of(store, first)
        store.deliveries.add(page, "", [Outgoing({"markup": "secret"})], NOW)
        store.unlink(first, LATER)
        store.session.flush()
        account = store.session.get_one(Account, first)
        assert account.person_id not in (kept, 2)
        assert not account.takes_notices
        assert [one.id for one in store.people.accounts_of(kept)] == [other]
        for gone in (WebSession, ReturnCode):
            assert store.session.scalars(select(gone)).all() == []
        here = select(Conversation).where(Conversation.chat_id == page)
        assert store.session.scalars(here).all() == []

    db.write_now(run)


def test_signing_in_ends_the_other_sessions_of_the_page(db: Database) -> None:
    def run(store: Store) -> None:
        _, account_id = somebody(store, "one")
        for _ in range(2):
            store.sessions.begin(account_id, NOW)
        first, _ = store.session.scalars(select(WebSession.id).order_by(WebSession.id)).all()
        assert store.sessions.sign_in(first, LATER)
        assert not store.sessions.sign_in(first, LATER), "it is already"
        [left] = store.session.scalars(select(WebSession)).all()
        assert (left.id, left.signed_in, left.last_used_at) == (first, True, LATER)

    db.write_now(run)
