"""What one sync gives: keys and the state of rooms to nio, and to us what was said in them.

nio is shown nothing that anybody said. It would take for a membership what says so once it is
decrypted, and what it cannot read would end the sync, which is given again for ever.
"""

from dataclasses import dataclass, field, fields
from typing import Any

from nio import Api, ErrorResponse, SyncResponse

from bot.platforms.matrix.client import Client, ServerRefused, Unreachable
from bot.platforms.matrix.events import OUTSIDE, Source
from bot.platforms.matrix.fields import mapping
from bot.platforms.matrix.login import DEACTIVATED, TOKEN_GONE, WITHHELD

LONG_POLL = 30  # seconds that the homeserver may keep us waiting
SLACK = 15  # seconds more before we give it up
LIMIT = 50  # events of a room that come at once; older ones have to be asked for
REFUSED = TOKEN_GONE | WITHHELD | {DEACTIVATED}  # no sync is given to this login
_NONE = {"not_types": ["*"]}
FILTER = {
    "presence": _NONE,
    "account_data": _NONE,
    "room": {"timeline": {"limit": LIMIT}, "ephemeral": _NONE, "account_data": _NONE},
}


@dataclass(frozen=True)
class Timeline:
    """What a sync tells of one room.

    Attributes:
        events: what was said, in order.
        last: the newest event, which may be one of the room's state.
        is_cut: there may be more, since the sync before, that we are to read.
    """

    events: list[Source]
    last: str
    is_cut: bool


@dataclass
class Batch(SyncResponse):  # type: ignore[misc]
    """One sync, as nio is to take it.

    Attributes:
        said: by room, what nio is not shown; also where nothing came of what is to be fetched.
    """

    said: dict[str, Timeline] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, parsed_dict: dict[str, Any]) -> "Batch | ErrorResponse":
        rooms = mapping(parsed_dict.get("rooms"))
        said = {room_id: _set_apart(room) for room_id, room in mapping(rooms.get("join")).items()}
        for room in mapping(rooms.get("invite")).values():
            _make_plain(_events(room, "invite_state"))
        for room in mapping(rooms.get("leave")).values():
            for part in ("state", "timeline"):
                _events(room, part)
        made = SyncResponse.from_dict(parsed_dict)
        if not isinstance(made, SyncResponse):
            return made
        given = {one.name: getattr(made, one.name) for one in fields(made) if one.init}
        return cls(
            **given,
            said={room_id: one for room_id, one in said.items() if one.events or one.is_cut},
        )


async def next_batch(client: Client, since: str | None, *, whole: bool) -> Batch:
    """What happened since an earlier sync; nio has taken its part.

    Args:
        since: how far was read; None: never anything.
        whole: whether all the state of all rooms is wanted, as after a start.

    Raises:
        Unreachable: the homeserver does not answer, or not now.
        ServerRefused: our login is none any more.
    """
    wait = LONG_POLL if since is not None and not whole else 0
    method, path = Api.sync(
        client.access_token,
        since=since,
        timeout=wait * 1000,
        filter=FILTER,
        full_state=whole or None,
    )
    client.next_batch = ""  # nio passes over what it takes for the sync before
    timeout = wait + SLACK if wait else 0
    answer = await client._send(Batch, method, path, timeout=timeout)
    if isinstance(answer, Batch):
        return answer
    code = answer.status_code
    if code in REFUSED:
        sent = answer.transport_response
        raise ServerRefused(sent.status if sent is not None else 401, {"errcode": code})
    raise Unreachable(str(code or answer.message), (answer.retry_after_ms or 0) / 1000)


def _events(room: dict[str, Any], part: str) -> list[Any]:
    """The events of a part of a room; one is made where there is none, which nio may not bear."""
    events: list[Any] = room.setdefault(part, {}).setdefault("events", [])
    return events


def _set_apart(room: dict[str, Any]) -> Timeline:
    """What was said; only the state is left in the timeline."""
    events = _events(room, "timeline")
    timeline = room["timeline"]
    timeline["events"] = [one for one in events if "state_key" in one]
    is_cut = timeline.get("limited") is True and not _is_outside(events[:1])
    last = events[-1]["event_id"] if events else ""
    return Timeline([one for one in events if "state_key" not in one], last, is_cut)


def _is_outside(first: list[Source]) -> bool:
    """Whether a timeline reaches back to where we were not in the room yet."""
    return any(mapping(one.get("unsigned")).get("membership") in OUTSIDE for one in first)


def _make_plain(state: list[Any]) -> None:
    """Leave what counts of the state around an invitation: another server writes it."""
    for event in state:
        if isinstance(event, dict):
            event.pop("unsigned", None)
