"""What is said among others, in a group: little is done there, and nothing private is said."""

from collections import deque
from datetime import datetime, timedelta

from bot import routing
from bot.messages import Label, Refused, Reply, Request
from bot.routing import CHOICES, COMMANDS, OPENS_PRIVATELY
from storage.store import Store

GREETING = "people.in_group"
MINUTE = timedelta(minutes=1)
MOST_A_MINUTE = 8  # said to a group because somebody typed something; it takes twenty in all
MOST_GROUPS = 1000


class Restraint:
    """How often a group is answered, whoever asks: the cards that stand in it come first."""

    def __init__(self) -> None:
        self._answered: dict[str, deque[datetime]] = {}
        self._greeted: dict[str, datetime] = {}

    def allows(self, chat: str, name: str, now: datetime) -> bool:
        """Whether a message of that name may be said to a group now; if so, it is counted."""
        answered = self._answered.setdefault(chat, deque(maxlen=MOST_A_MINUTE))
        is_full = len(answered) == MOST_A_MINUTE and now - answered[0] < MINUTE
        greeted = self._greeted.get(chat)
        if is_full or (name == GREETING and greeted is not None and now - greeted < MINUTE):
            return False
        answered.append(now)
        if name == GREETING:
            self._greeted[chat] = now
        if len(self._answered) > MOST_GROUPS:
            self._answered.clear()
            self._greeted.clear()
        return True


def among(request: Request, store: Store) -> list[Reply]:
    """Answer one update of a group: to who asked, unless a reply says that it is for all.

    What a person presses is done for that person; what they type that cannot be done among others
    leads them to their own chat.
    """
    incoming = request.incoming
    if incoming.joined:
        return [hello()]
    if incoming.choice is not None:
        return [to_one(reply) for reply in _pressed(incoming.choice, request, store)]
    name, _ = routing.command_in(request.text)
    if name is None or not COMMANDS[name].in_groups:
        return [hello()]
    return [
        reply if reply.to_all else hello() for reply in _list(routing.obey(name, request, store))
    ]


def hello() -> Reply:
    """What Préau does in a group, and the way to one's own chat with it."""
    ways: list[tuple[str, Label | str]] = [(OPENS_PRIVATELY, "people.open_private")]
    return Reply(GREETING, choices=ways, to_all=True)


def _pressed(action: str, request: Request, store: Store) -> list[Reply]:
    route = CHOICES.get(action.partition(":")[0])
    if route is None or not route.in_groups:
        raise Refused("people.not_in_group")
    return _list(routing.act(action, request, store))


def to_one(reply: Reply) -> Reply:
    """A reply as only who pressed sees it, in a few words."""
    return reply if reply.to_all else Reply(acknowledge=reply.acknowledge or reply.words)


def _list(answer: routing.Answer) -> list[Reply]:
    if answer is None or not isinstance(answer, (Reply, list, tuple)):
        return []  # no form is opened among others
    return [answer] if isinstance(answer, Reply) else list(answer)
