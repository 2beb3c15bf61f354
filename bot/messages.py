"""What goes in and out of a chat, whatever the platform: plain data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from bot.settings import Channels, Settings
from storage.conversations import Context
from storage.grants import Role
from storage.groups import Belonging
from storage.people import ChatKind
from storage.store import Store

LONGEST_ACTION = 64  # bytes: what a Telegram button carries


@dataclass(frozen=True)
class Incoming:
    """One update from a platform.

    Attributes:
        platform, chat, thread, sender: where it was said and by whom, as the platform knows them.
        update_id: unique on its platform.
        received_at: when it reached us; what counts at a closing.
        in_group: it was said in a group, among others.
        overheard: there, not to us: only codes that stand in it are heard.
        said_as: the platform's own id of the message in which it was said.
        replied: the message it was a reply to, if that one was ours.
        under: in a thread, the message under which it was said, if that one was ours.
        edits: the earlier message of the same person whose words it changes.
        withdraws: the earlier message of the same person that was taken back.
        more: what came with it: the pieces of a long paste, or the rest of an album.
        pieces: each message in which its words stand, with these and their glue.
        text: what was said.
        files_in: the message in which each of its files came, if these are several messages.
        glue: what stands between its text and that of the next piece.
        choice: the action string of the button that was pressed; untrusted.
        message: the message that was pressed, if any.
        photos: already fetched, checked and re-encoded.
        documents: PDF files, already fetched, checked and written anew.
        voices: voice notes, likewise.
        problem: the name of the message that says why a photo, or something else that was sent,
            could not be taken.
        about: the arguments of that message.
        language: of the person's device, if the platform tells.
        digest: of the files as they came, to tell a repeated update from a reused id.
        joined: the person just arrived in the chat, or brought Préau into a group.
        opens: it opens a session, and is never throttled.
        signed_in: whether roles count here.
        session_id: the web session it came through, if any.
    """

    platform: str
    chat: str
    sender: str
    update_id: str
    received_at: datetime
    thread: str = ""
    in_group: bool = False
    overheard: bool = False
    said_as: str | None = None
    replied: str | None = None
    under: str | None = None
    edits: str | None = None
    withdraws: str | None = None
    more: "tuple[Incoming, ...]" = ()
    pieces: tuple[tuple[str, str, str], ...] = ()
    files_in: tuple[str | None, ...] = ()
    text: str | None = None
    glue: str = "\n"
    choice: str | None = None
    message: str | None = None
    photos: tuple[bytes, ...] = ()
    documents: tuple[bytes, ...] = ()
    voices: tuple[bytes, ...] = ()
    problem: str | None = None
    about: Mapping[str, Any] = field(default_factory=dict)
    language: str | None = None
    digest: str = ""
    joined: bool = False
    opens: bool = False
    signed_in: bool = True
    session_id: int | None = None

    def together_with(self, others: "Sequence[Incoming]") -> "Incoming":
        """What was said in several messages, as one: words in order, and all the files."""
        whole = (self, *others)
        pieces = [(one.text, one.glue) for one in whole if one.text]
        text = "".join(text + glue for text, glue in pieces[:-1])
        troubled = next((one for one in whole if one.problem), None)
        standing = [(one.said_as, one.text, one.glue) for one in whole]
        return replace(
            self,
            text=text + pieces[-1][0] if pieces else self.text,
            photos=tuple(photo for one in whole for photo in one.photos),
            documents=tuple(document for one in whole for document in one.documents),
            voices=tuple(voice for one in whole for voice in one.voices),
            problem=troubled.problem if troubled else None,
            about=troubled.about if troubled else {},
            more=(),
            pieces=tuple((said, text, glue) for said, text, glue in standing if said and text),
            files_in=(
                *(one.said_as for one in whole for _ in one.photos),
                *(one.said_as for one in whole for _ in one.documents),
                *(one.said_as for one in whole for _ in one.voices),
            ),
        )

    @property
    def stands_in(self) -> list[list[str]]:
        """Each message in which its words stand, as plain data; empty where messages have no id."""
        if self.pieces:
            return [list(piece) for piece in self.pieces]
        return [[self.said_as, self.text, self.glue]] if self.said_as and self.text else []

    @property
    def brought_in(self) -> list[str | None]:
        """The message in which each file came, if it has an id: photos, documents, then voices."""
        count = len(self.photos) + len(self.documents) + len(self.voices)
        return list(self.files_in) or [self.said_as] * count


@dataclass(frozen=True)
class Words:
    """A message by name, rendered in the language of whoever reads it."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Said:
    """A person's own words: data, never the name of a message."""

    text: str


Label = Words | Said


@dataclass(frozen=True)
class Choice:
    """A numbered thing that can be chosen.

    Attributes:
        action: what it does, `<noun>.<verb>:<argument>…`, at most 64 bytes; untrusted when it
            comes back.
        label: what it is called; a `str` is the name of a message.
    """

    action: str
    label: Label

    def __post_init__(self) -> None:
        if len(self.action.encode()) > LONGEST_ACTION:
            raise ValueError(f"an action of more than {LONGEST_ACTION} bytes: {self.action}")


@dataclass(frozen=True)
class Attachment:
    """A stored file that goes with a message. `name` describes it to who cannot see it."""

    file_id: int
    name: Label
    media_type: str = "image/jpeg"


class Reply:
    """What a handler answers.

    Args:
        name: the message's name, `<noun>.<message>`.
        choices: pairs of an action and a label (the name of a message, `Words` or `Said`).
        files: what goes with it.
        replace: edit the pressed message instead of sending a new one.
        acknowledge: the name of a toast: shown at once, kept nowhere. Alone, it is all the answer.
        leaves: end the web session that asked.
        forget_from: delete this chat's messages from that one on.
        shows: the `subject` that this shows, if it may have to be taken back or redrawn.
        to_all: in a group, it is said to everybody; else only to who asked, as far as the platform
            can.
        ballot: its choices that begin with `polls.vote` are one native poll where the platform has
            them; this is what it asks.
        arguments: the message's arguments.
    """

    def __init__(
        self,
        name: str | None = None,
        /,
        *,
        choices: Sequence[tuple[str, Label | str]] = (),
        files: Sequence[Attachment] = (),
        replace: bool = False,
        acknowledge: Words | str | None = None,
        leaves: bool = False,
        forget_from: int | None = None,
        shows: str | None = None,
        to_all: bool = False,
        ballot: Label | None = None,
        **arguments: Any,
    ) -> None:
        self.words = None if name is None else Words(name, arguments)
        self.choices = tuple(Choice(action, _label(label)) for action, label in choices)
        self.files = tuple(files)
        self.replace = replace
        self.acknowledge = Words(acknowledge) if isinstance(acknowledge, str) else acknowledge
        self.leaves = leaves
        self.forget_from = forget_from
        self.shows = shows
        self.to_all = to_all
        self.ballot = ballot


def _label(label: Label | str) -> Label:
    return Words(label) if isinstance(label, str) else label


class Refused(Exception):
    """The request is refused, for a reason that the person is told.

    What the handler changed is rolled back; what the person wrote before is kept.
    """

    def __init__(self, name: str, /, **kwargs: Any) -> None:
        super().__init__(name)
        self.reply = Reply(name, **kwargs)


class Request:
    """One update as a handler sees it: who asks what, and when. `files` came with it, stored.

    Args:
        buttons_stay: there are buttons, which stay under a message until it is changed.
    """

    def __init__(
        self,
        incoming: Incoming,
        context: Context,
        now: datetime,
        settings: Settings,
        store: Store,
        *,
        buttons_stay: bool = False,
    ) -> None:
        counts = settings.counts_roles_on(incoming.platform)
        self.incoming = incoming if counts else replace(incoming, signed_in=False)
        self.context = context
        self.now = now
        self.zone = settings.zone
        self.settings = settings
        self.buttons_stay = buttons_stay
        self.files: tuple[int, ...] = ()
        self.rest = 0.0
        self._store = store

    @property
    def person(self) -> int:
        return self.context.person_id

    def slow(self, seconds: float) -> None:
        """Have what comes next in this chat wait for so many seconds at least."""
        self.rest = max(self.rest, seconds)

    @property
    def in_group(self) -> bool:
        return self.context.chat_kind is ChatKind.group

    @property
    def text(self) -> str:
        return (self.incoming.text or "").strip()

    def note(self, act: str, about: str = "", details: Mapping[str, Any] | None = None) -> None:
        """Note in the audit log what this person does; see `Audit.add`."""
        platform = self.incoming.platform
        self._store.audit.add(
            act, self.now, by=self.person, via=platform, about=about, details=details
        )

    @property
    def roles(self) -> frozenset[Role]:
        """The roles that count here and now: none where the person is not signed in."""
        return self.held if self.incoming.signed_in else frozenset()

    @cached_property
    def held(self) -> frozenset[Role]:
        """The roles that the person has, wherever they count."""
        return self._store.roles_of(self.person, self.now)

    def look_again(self) -> None:
        """Forget which roles were found: others were given, or taken, since."""
        vars(self).pop("held", None)

    @property
    def belongs(self) -> bool:
        """Whether the person is one of the committee, by a role or by a working group."""
        standing = self._store.groups.of_person(self.person)
        return bool(self.held) or Belonging.member in standing.values()

    @property
    def confidential(self) -> bool:
        """Whether the committee's own matters may be said here: where not, see `Channels`."""
        return self.incoming.signed_in or self.settings.channels is Channels.open
