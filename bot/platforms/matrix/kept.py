"""What a database keeps of our account, as `preau doctor` reads it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nio.crypto import OlmAccount
from sqlalchemy import select

from bot.platforms.matrix.crypto import ACCOUNT
from bot.platforms.matrix.login import Login, kept_login
from bot.platforms.matrix.whose import PLATFORM
from storage.people import Chat, ChatState
from storage.store import Store


@dataclass(frozen=True)
class Kept:
    """What the database keeps of our account.

    Attributes:
        login: of an earlier start.
        account: the keys of a device, as they are kept.
        refused: how many people we may not open a chat with, as far as was tried.
    """

    login: Login | None = None
    account: Mapping[str, Any] | None = None
    refused: int = 0

    def keys_of(self, device_id: str) -> OlmAccount | None:
        """Our own keys of a device."""
        kept = self.account
        if kept is None or kept["device"] != device_id:
            return None
        return OlmAccount.from_pickle(kept["pickle"].encode(), kept["pickle_key"], kept["shared"])


def kept_in(store: Store) -> Kept:
    """What a database keeps."""
    of_refused = select(Chat.address).where(
        Chat.platform == PLATFORM, Chat.state == ChatState.blocked
    )
    addresses = store.session.scalars(of_refused)  # that of a chat which was opened is its room
    refused = sum(address.startswith("@") for address in addresses)
    return Kept(kept_login(store), store.matrix.get(ACCOUNT), refused)
