"""What was written in an encrypted room, in clear.

nio would do it ten times slower, and would have what was decrypted change its rooms.
"""

import json
from collections.abc import Iterable
from typing import Any

import structlog
from nio.crypto import DeviceStore, InboundGroupSession, Olm, OlmDevice
from vodozemac import MegolmDecryptionException

from bot.platforms.matrix.events import Source
from bot.platforms.matrix.fields import mapping, words
from bot.platforms.matrix.recent import Recent

log = structlog.get_logger()

MEGOLM = "m.megolm.v1.aes-sha2"
RELATION = "m.relates_to"  # clients leave it in clear
REMEMBERED = 50_000  # messages, by which one that is given again under another id is known


class KeyMissing(Exception):
    """The key that reads it has not come, or not yet."""


class Decryption:
    """Decrypts what was written in rooms."""

    def __init__(self) -> None:
        self._known: Recent[tuple[str, int], str] = Recent(REMEMBERED)

    def clear(self, olm: Olm, room_id: str, event: Source) -> Source | None:
        """An encrypted event as it was before; None if nothing can ever be made of it.

        Raises:
            KeyMissing: it may be read once its key is there.
        """
        event_id, content = event["event_id"], mapping(event.get("content"))
        if content.get("algorithm") != MEGOLM:
            return None
        session = session_of(olm, room_id, content, event["sender"])
        if session is None:
            raise KeyMissing
        if not _may_be_of(olm, session, event["sender"]):
            log.warning("a message has the key of somebody else", room=room_id, event_id=event_id)
            return None
        try:
            plain, index = session.decrypt(content["ciphertext"])
            clear = json.loads(plain)
        except MegolmDecryptionException:  # it was perhaps written before the key was given
            raise KeyMissing from None
        except Exception as error:
            log.info("a message made no sense", room=room_id, reason=type(error).__name__)
            return None
        if self._known.first((session.id, index), event_id) != event_id:
            log.warning("a message was given again as another", room=room_id, event_id=event_id)
            return None
        return _opened(room_id, event, clear)


def session_of(
    olm: Olm, room_id: str, content: Source, sender: str | None = None
) -> InboundGroupSession | None:
    """The key of an encrypted event: which device made it stands in no new events.

    Args:
        sender: whoever is said to have written it; a key of somebody else is only the last resort.
    """
    session_id = words(content.get("session_id"))
    sessions = olm.inbound_group_store[room_id].values()
    found = [some[session_id] for some in sessions if session_id in some]
    if len(found) > 1 and sender is not None:
        found.sort(key=lambda one: not _may_be_of(olm, one, sender))
    return found[0] if found else None


def _may_be_of(olm: Olm, session: InboundGroupSession, sender: str) -> bool:
    """Whether a key is of a device of somebody, or of one that is not known, or not any more.

    Who wrote something is otherwise only what the homeserver says.
    """
    keys, devices = (session.sender_key, session.ed25519), olm.device_store
    if any((one.curve25519, one.ed25519) == keys for one in _devices(devices, sender)):
        return True
    return not any(
        one.curve25519 == session.sender_key and one.user_id != sender for one in devices
    )


def _devices(known: DeviceStore, user_id: str) -> Iterable[OlmDevice]:
    """Those of somebody; asked for by itself, nio's store would note that there are none."""
    return known[user_id].values() if user_id in known.users else ()


def _opened(room_id: str, event: Source, clear: Any) -> Source | None:
    said = mapping(clear).get("content")
    if not isinstance(said, dict) or clear.get("room_id", room_id) != room_id:
        return None
    relation = event["content"].get(RELATION)
    if relation is not None and RELATION not in said:
        said = {**said, RELATION: relation}
    return {**event, "type": words(clear.get("type")), "content": said}
