"""What nio remembers, as plain data that a row can hold, and back."""

from datetime import date, datetime

from nio.crypto import InboundGroupSession, OlmAccount, OlmDevice, Session, TrustState

from bot.platforms.matrix.unwritten import Content


def account_row(account: OlmAccount, user_id: str, device_id: str, pickle_key: str) -> Content:
    return {
        "user": user_id,
        "device": device_id,
        "shared": account.shared,
        "pickle": account.pickle(pickle_key).decode(),
        "pickle_key": pickle_key,
    }


def account_in(row: Content) -> OlmAccount:
    return OlmAccount.from_pickle(row["pickle"].encode(), row["pickle_key"], row["shared"])


def session_row(sender_key: str, session: Session, pickle_key: str) -> Content:
    return {
        "sender_key": sender_key,
        "created": session.creation_time.isoformat(),
        "used": session.use_time.isoformat(),
        "pickle": session.pickle(pickle_key).decode(),
    }


def session_in(row: Content, pickle_key: str) -> Session:
    created, used = (datetime.fromisoformat(row[name]) for name in ("created", "used"))
    return Session.from_pickle(row["pickle"].encode(), created, pickle_key, used)


def group_row(session: InboundGroupSession, came: date, pickle_key: str) -> Content:
    return {
        "room": session.room_id,
        "sender_key": session.sender_key,
        "ed25519": session.ed25519,
        "chain": list(session.forwarding_chain),
        "came": came.isoformat(),
        "pickle": session.pickle(pickle_key).decode(),
    }


def group_in(row: Content, pickle_key: str) -> InboundGroupSession:
    return InboundGroupSession.from_pickle(
        row["pickle"].encode(),
        row["ed25519"],
        row["sender_key"],
        row["room"],
        pickle_key,
        row["chain"],
    )


def device_row(device: OlmDevice) -> Content:
    return {
        "user": device.user_id,
        "device": device.id,
        "keys": dict(device.keys),
        "name": device.display_name,
        "deleted": device.deleted,
    }


def device_in(row: Content) -> OlmDevice:
    return OlmDevice(
        row["user"], row["device"], row["keys"], row["name"], row["deleted"], TrustState.ignored
    )
