"""Invitations: kept until they are answered, then taken or declined, each once."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from nio import AsyncClient, InviteInfo

from bot.allowed import allows
from bot.clock import Clock
from bot.platforms.base import SendFailed
from bot.platforms.matrix.chores import Chore, Chores
from bot.platforms.matrix.doors import join, leave
from bot.rendering import texts_for
from bot.settings import Settings
from storage.database import Database
from storage.store import Store

log = structlog.get_logger()

KIND = "invitation"
LONGEST_TRIED = timedelta(days=1)  # the server of a room may be away
MOST_OF_ONE = 30  # unanswered invitations by one person: the later ones are passed over
MOST_OF_STRANGERS = 300  # the same, by all of one server who are declined


@dataclass(frozen=True)
class Invitation:
    """An invitation to a room.

    Attributes:
        inviter: who invites, as our own homeserver says.
        direct: it is to a direct chat, they say.
        at: when it came.
    """

    room_id: str
    inviter: str
    direct: bool
    at: datetime


def _row(invitation: Invitation) -> dict[str, Any]:
    return {**asdict(invitation), "at": invitation.at.isoformat()}


def read(info: InviteInfo, room_id: str, me: str, at: datetime) -> Invitation | None:
    """The invitation in what a sync says of a room; None if nio could not read it.

    What surrounds it comes from the inviter's server, which may put another into it: our own puts
    the true one last.
    """
    for event in reversed(info.invite_state):
        content = getattr(event, "content", None)
        if content and event.state_key == me and event.membership == "invite":
            return Invitation(room_id, event.sender, content.get("is_direct") is True, at)
    return None


class Invitations:
    """Answers invitations.

    Args:
        expected: whether we want to be in a room that somebody invites us to, whoever it is.
    """

    def __init__(
        self,
        client: AsyncClient,
        database: Database,
        settings: Settings,
        clock: Clock,
        chores: Chores,
        expected: Callable[[str], bool],
    ) -> None:
        self._client = client
        self._database = database
        self._settings = settings
        self._clock = clock
        self._chores = chores
        self._expected = expected
        self._kept: dict[str, Invitation] = {}

    async def load(self) -> None:
        """Go on with those that another run kept."""
        kept = await self._database.read(lambda store: store.matrix.all(KIND))
        for one in kept:
            self._answer(Invitation(**{**one, "at": datetime.fromisoformat(one["at"])}))

    def get(self, room_id: str) -> Invitation | None:
        return self._kept.get(room_id)

    async def keep(self, invited: Mapping[str, InviteInfo], at: datetime) -> None:
        """Have invitations answered; when this returns they cannot be lost."""
        found = [read(info, room_id, self._client.user_id, at) for room_id, info in invited.items()]
        news = self._few(one for one in found if one is not None and one.room_id not in self._kept)
        for room_id in invited:
            self._client.invited_rooms.pop(room_id, None)  # nio would keep it as long as it stands
        if not news:
            return
        rows = {one.room_id: _row(one) for one in news}
        await self._database.write(lambda store: store.matrix.put_all(KIND, rows))
        for one in news:
            self._answer(one)

    async def drop(self, room_id: str) -> None:
        """Forget an invitation that is answered, or withdrawn, if there is one."""
        gone = self._kept.get(room_id)
        if gone is None:
            return

        def drop(store: Store) -> None:
            if store.matrix.get(KIND, room_id) == _row(gone):  # and not a later one
                store.matrix.drop(KIND, [room_id])

        await self._database.write(drop)
        if self._kept.get(room_id) is gone:
            del self._kept[room_id]
            self._chores.drop(room_id)

    def _few(self, news: Iterable[Invitation]) -> list[Invitation]:
        """Those that are not too many, with what is kept."""
        pending = Counter(one for kept in self._kept.values() for one in self._counted(kept))
        few = []
        for one in news:
            if all(pending[key] < most for key, most in self._counted(one).items()):
                pending.update(self._counted(one).keys())
                few.append(one)
            else:
                log.warning("too many invitations: one is passed over", room=one.room_id)
        return few

    def _counted(self, invitation: Invitation) -> dict[str, int]:
        """For whom an invitation counts, and how many they may have."""
        inviter = invitation.inviter
        if self.is_allowed(inviter):
            return {inviter: MOST_OF_ONE}
        return {inviter: MOST_OF_ONE, inviter.partition(":")[2]: MOST_OF_STRANGERS}

    def is_allowed(self, user_id: str) -> bool:
        """Whether what somebody asks of us about rooms is done."""
        own_server = self._client.user_id.partition(":")[2]
        return allows(self._settings.matrix_allowed_servers, own_server, user_id)

    def _answer(self, invitation: Invitation) -> None:
        room_id, inviter = invitation.room_id, invitation.inviter
        self._kept[room_id] = invitation
        if self.is_allowed(inviter) or self._expected(room_id):
            self._chores.put(Chore(room_id, inviter, lambda: self._accept(invitation)))
        else:
            self._chores.put(Chore(room_id, inviter, lambda: self._decline(invitation), rank=1))

    async def _accept(self, invitation: Invitation) -> None:
        """Join; it stays kept until a sync shows the room."""
        if self._kept.get(invitation.room_id) is not invitation:
            return
        try:
            await join(self._client, invitation.room_id, invitation.inviter)
        except SendFailed as failed:
            is_late = self._clock.now() - invitation.at > LONGEST_TRIED
            if not failed.final and not is_late:
                raise
            log.warning("an invitation cannot be taken", room=invitation.room_id)
            await self._refuse(invitation, None)

    async def _decline(self, invitation: Invitation) -> None:
        """Say why not, to who invites, and be invited no more."""
        texts = texts_for(self._settings.language, self._settings.zone)
        server = invitation.inviter.partition(":")[2]
        log.info("an invitation is declined", room=invitation.room_id, server=server)
        await self._refuse(invitation, texts.plain("matrix.declined"))

    async def _refuse(self, invitation: Invitation, reason: str | None) -> None:
        if self._kept.get(invitation.room_id) is not invitation:
            return
        try:
            await leave(self._client, invitation.room_id, reason)
        except SendFailed as failed:
            if not failed.final:  # otherwise there is nothing to decline any more
                raise
        await self.drop(invitation.room_id)
