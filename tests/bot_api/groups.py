"""Groups, supergroups, forums and channels, and what happens to the bot in them."""

from typing import Any

from tests.bot_api.methods import member
from tests.bot_api.model import Chat, Message, Standing
from tests.bot_api.people import User
from tests.bot_api.world import World

# Who an anonymous administrator appears as (core.telegram.org/bots/api#message, `from`).
ANONYMOUS = {
    "id": 1087968824,
    "is_bot": True,
    "first_name": "Group",
    "username": "GroupAnonymousBot",
}


class Group:
    """A group that the bot is not in yet; see `add_bot`."""

    def __init__(
        self, world: World, title: str, *, forum: bool = False, supergroup: bool = False
    ) -> None:
        self.world = world
        self.chat = world.group_chat(title, supergroup=supergroup, forum=forum)
        self.chat.bot_is = "left"
        world.groups[self.id] = self

    @property
    def id(self) -> int:
        return self.chat.id

    @property
    def messages(self) -> list[Message]:
        return self.chat.messages

    @property
    def from_bot(self) -> list[Message]:
        return self.chat.from_bot

    @property
    def newest(self) -> Message:
        return self.chat.newest

    def add_bot(self, by: User, *, administrator: bool = False) -> int | None:
        self.chat.members.setdefault(by.id, "administrator")
        number = self._stands(by, "administrator" if administrator else "member")
        self._service(by, {"new_chat_members": [self.world.bot]})
        return number

    def kick_bot(self, by: User | None = None) -> int | None:
        return self._stands(by or self._somebody(), "kicked")

    def remove_bot(self, by: User | None = None) -> int | None:
        """The bot leaves without being banned."""
        return self._stands(by or self._somebody(), "left")

    def join(self, user: User) -> int | None:
        self.chat.members[user.id] = "member"
        return self._service(user, {"new_chat_members": [user.shown]})

    def leave(self, user: User) -> int | None:
        self.chat.members[user.id] = "left"
        return self._service(user, {"left_chat_member": user.shown})

    def rename(self, title: str, by: User) -> int | None:
        self.chat.shown = {**self.chat.shown, "title": title}
        return self._service(by, {"new_chat_title": title})

    def upgrade(self, by: User | None = None) -> "Group":
        """Become a supergroup with another id; both chats say so (#message, migrate_…)."""
        assert self.chat.type == "group", "only a basic group is upgraded"
        by = by or self._somebody()
        after = Group(self.world, str(self.chat.shown["title"]), supergroup=True)
        after.chat.bot_is = self.chat.bot_is
        after.chat.members = dict(self.chat.members)
        self.chat.moved_to = after.id
        self._service(by, {"migrate_to_chat_id": after.id})
        after._service(by, {"migrate_from_chat_id": self.id})
        return after

    def topic(self, name: str, by: User | None = None) -> int:
        """A new topic; its thread's id is that of the message that tells of it."""
        assert self.chat.is_forum
        by = by or self._somebody()
        content = {"forum_topic_created": {"name": name, "icon_color": 7322096}}
        message = self.world.put(self.chat, by.shown, content)
        message.thread = message.id
        self.chat.topics[message.id] = name
        if self.world.reads(self.chat, message, service=True):
            self.world.tell("message", message)
        return message.id

    def close_topic(self, thread: int, by: User | None = None) -> int | None:
        self.chat.closed_topics.add(thread)
        return self._service(by or self._somebody(), {"forum_topic_closed": {}}, thread)

    def delete_topic(self, thread: int) -> None:
        """A bot is not told."""
        del self.chat.topics[thread]

    def say_anonymously(self, text: str) -> int | None:
        """As an administrator who hides: the sender is a bot that stands for the group."""
        message = self.world.put(self.chat, ANONYMOUS, {"text": text}, text=text)
        message.content["sender_chat"] = self.chat.as_json()
        if not self.world.reads(self.chat, message):
            return None
        return self.world.tell("message", message)

    def _somebody(self) -> User:
        """A member who may do anything here."""
        for number in self.chat.members:
            return self.world.people[number]
        return User(self.world, "Administratrice")

    def _stands(self, by: User, after: Standing) -> int | None:
        before, self.chat.bot_is = self.chat.bot_is, after
        body = {
            "chat": self.chat.as_json(),
            "from": by.shown,
            "date": int(self.world.now()),
            "old_chat_member": member(self.world.bot, before),
            "new_chat_member": member(self.world.bot, after),
        }
        return self.world.updates.push("my_chat_member", body, self.id)

    def _service(self, by: User, content: dict[str, Any], thread: int | None = None) -> int | None:
        """What Telegram itself says in the group; bots get it whatever their privacy."""
        message = self.world.put(self.chat, by.shown, content, thread=thread)
        if not self.world.reads(self.chat, message, service=True):
            return None
        return self.world.tell("message", message)


class Channel:
    """A channel where the bot is an administrator."""

    def __init__(self, world: World, title: str) -> None:
        self.world = world
        self.chat: Chat = world.channel_chat(title)
        self.chat.bot_is = "administrator"

    def post(self, text: str) -> int | None:
        content = {"text": text, "sender_chat": self.chat.as_json()}
        message = self.world.put(self.chat, {}, content, text=text)
        body = message.as_json()
        del body["from"]  # a post has no author
        return self.world.updates.push("channel_post", body, self.chat.id)
