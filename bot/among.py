"""What is said among others, in a group: little is done there, and nothing private is said."""

from collections import deque
from datetime import datetime, timedelta

from bot import routing
from bot.codes import invitations_in, linkings_in
from bot.entrances import burn
from bot.messages import Label, Refused, Reply, Request
from bot.routing import CHOICES, COMMANDS, OPENS_PRIVATELY, Route
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

    What a person presses, or chooses by its number, is done for that person; what they type that
    cannot be done among others leads them to their own chat.
    """
    incoming = request.incoming
    if incoming.joined:
        return [hello()]
    if incoming.withdraws is not None:
        return []
    burnt = burn_codes(request.text, incoming.platform, store, request.now)
    if burnt is not None:
        return [burnt]
    if incoming.overheard:
        return []
    chosen = incoming.choice if incoming.choice is not None else _numbered(request, store)
    if chosen is not None:
        return [to_one(reply) for reply in _chosen(chosen, request, store)]
    name, _ = routing.command_in(request.text)
    if name is None or not COMMANDS[name].in_groups:
        return [hello()]
    return [
        reply if reply.to_all else hello() for reply in _list(routing.obey(name, request, store))
    ]


def burn_codes(text: str, platform: str, store: Store, now: datetime) -> Reply | None:
    """Have the codes serve nobody that everybody has read; None if there are none that serve."""
    burnt = [burn(code, platform, store, now) for code in invitations_in(text)]
    linked = [store.linking.burn(code, now) for code in linkings_in(text)]
    if any(burnt):
        return Reply("people.code_burnt", to_all=True)
    return Reply("linking.code_burnt", to_all=True) if any(linked) else None


def hello() -> Reply:
    """What Préau does in a group, and the way to one's own chat with it."""
    ways: list[tuple[str, Label | str]] = [(OPENS_PRIVATELY, "people.open_private")]
    return Reply(GREETING, choices=ways, to_all=True)


def _numbered(request: Request, store: Store) -> str | None:
    """The action that a number chooses, if it is one: among others it is marked, or a reply.

    A reply chooses from the message of ours that it is to, or under which it is in a thread; else
    it is from the newest one in which anything can be chosen among others.

    Raises:
        Refused: there is no such choice, or it is not made where everybody reads it.
    """
    replied = request.incoming.replied or request.incoming.under
    is_marked = request.text[:1] in routing.MARKS
    digits = request.text[1:] if is_marked else request.text
    if not (digits.isascii() and digits.isdigit()) or not (is_marked or replied):
        return None
    chat_id = request.context.chat_id
    if replied is not None:
        choices = store.deliveries.choices_of(chat_id, replied)
    else:
        offered = store.deliveries.offered(chat_id)
        choices = next((one for one in offered if any(_route(action) for action, _ in one)), [])
    if not choices:
        return None
    position = int(digits[:6]) - 1
    if not 0 <= position < len(choices):
        raise Refused("people.no_such_number")
    action = choices[position][0]
    route = _route(action)
    if route is None or route.secret:
        raise Refused("people.not_in_group")
    return action


def _route(action: str) -> Route | None:
    """What an action does, if it may be done among others."""
    route = CHOICES.get(action.partition(":")[0])
    return route if route is not None and route.in_groups else None


def _chosen(action: str, request: Request, store: Store) -> list[Reply]:
    if _route(action) is None:
        raise Refused("people.not_in_group")
    return _list(routing.act(action, request, store))


def to_one(reply: Reply) -> Reply:
    """A reply as only who pressed sees it, in a few words."""
    return reply if reply.to_all else Reply(acknowledge=reply.acknowledge or reply.words)


def _list(answer: routing.Answer) -> list[Reply]:
    if answer is None or not isinstance(answer, (Reply, list, tuple)):
        return []  # no form is opened among others
    return [answer] if isinstance(answer, Reply) else list(answer)
