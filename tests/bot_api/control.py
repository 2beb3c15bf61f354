"""`/control`: another process scripts people, rates and faults, and reads what happened.

A POST of `{"do": name, …}` answers with JSON; a mistake is 400 with `{"error": words}`.
The names and what they take are the functions below.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from aiohttp import web

from tests.bot_api.faults import Fault
from tests.bot_api.model import Chat, Message
from tests.bot_api.people import User
from tests.bot_api.rates import Rates
from tests.bot_api.server import BotApi

Asked = dict[str, Any]


def add_control(api: BotApi, app: web.Application) -> None:
    async def control(request: web.Request) -> web.Response:
        asked = await request.json()
        try:
            act = ACTS[asked.pop("do")]
            return web.json_response(await act(api, asked))
        except (KeyError, ValueError, TypeError, AssertionError, TimeoutError) as error:
            return web.json_response({"error": repr(error)}, status=400)

    app.router.add_post("/control", control)


def _people(api: BotApi, asked: Asked) -> Iterable[User]:
    """Those whose ids are in `users`, or everybody."""
    chosen = asked.get("users")
    return list(api.users.values()) if chosen is None else [api.users[one] for one in chosen]


async def users(api: BotApi, asked: Asked) -> Asked:
    """Make `count` people called `name` 1, 2, …; `known` if the bot may write to them already."""
    name, known = asked.get("name", "N"), asked.get("known", False)
    made = [api.user(f"{name} {n}", known=known) for n in range(1, asked["count"] + 1)]
    return {"users": [user.id for user in made]}


async def group(api: BotApi, asked: Asked) -> Asked:
    """Make a group with the bot and `users` in it; `forum` and `topics` by name if wanted."""
    made = api.group(asked.get("title", "Atelier"), forum=asked.get("forum", False))
    first, *others = _people(api, asked)
    made.add_bot(by=first)
    for user in others:
        made.join(user)
    return {"group": made.id, "topics": [made.topic(name) for name in asked.get("topics", ())]}


async def say(api: BotApi, asked: Asked) -> Asked:
    """`users` say `text`, each `times` times, in a `group` perhaps."""
    where = api.groups[asked["group"]] if "group" in asked else None
    given = [
        user.say(asked["text"], in_group=where)
        for _ in range(asked.get("times", 1))
        for user in _people(api, asked)
    ]
    return {"updates": len([one for one in given if one is not None])}


async def press(api: BotApi, asked: Asked) -> Asked:
    """`users` press the button `label`, or send `data`; `missing` are those who have none."""
    where = api.groups[asked["group"]] if "group" in asked else None
    given, missing = 0, []
    for user in _people(api, asked):
        try:
            user.press(asked.get("label", ""), data=asked.get("data"), chat=where)
            given += 1
        except AssertionError:
            missing.append(user.id)
    return {"updates": given, "missing": missing}


async def start(api: BotApi, asked: Asked) -> Asked:
    """`users` open the bot, with a `payload` perhaps."""
    return {"updates": len([u.start(asked.get("payload", "")) for u in _people(api, asked)])}


async def block(api: BotApi, asked: Asked) -> Asked:
    for user in _people(api, asked):
        user.block()
    return {}


async def delete_account(api: BotApi, asked: Asked) -> Asked:
    for user in _people(api, asked):
        user.delete_account()
    return {}


async def rates(api: BotApi, asked: Asked) -> Asked:
    """Enforce rates, with the arguments of `Rates`; `off` ends it."""
    api.rates = None if asked.pop("off", False) else Rates(**asked)
    return {}


async def faults(api: BotApi, asked: Asked) -> Asked:
    """Add faults: `clear`, `add` (a list of `Fault`s), `refuse_all`, `duplicate`, `reorder`."""
    if asked.get("clear"):
        api.faults.clear()
    for fault in asked.get("add", ()):
        api.faults.add(Fault(**fault))
    if "refuse_all" in asked:
        api.faults.refuse_all(asked["refuse_all"])
    if "duplicate" in asked:
        api.faults.duplicate(asked["duplicate"])
    if "reorder" in asked:
        api.faults.reorder(asked["reorder"])
    return {}


async def stats(api: BotApi, asked: Asked) -> Asked:
    """What was called and refused since the start."""
    errors = Counter(str(call.error) for call in api.calls if not call.ok)
    return {
        "calls": api.counts,
        "done": api.done,
        "errors": errors,  # by status, among the calls that are remembered
        "refusals": api.refusals,
        "taken": 0 if api.rates is None else api.rates.taken,
        "struck": api.faults.struck,
        "given": api.updates.given,
        "pending": len(api.updates.pending),
        "in_flight": api.in_flight,
    }


async def reset(api: BotApi, asked: Asked) -> Asked:
    """Begin counting anew; people and messages stay."""
    api.calls.clear()
    api.counts.clear()
    api.done.clear()
    api.faults.struck.clear()
    api.updates.given.clear()
    if api.rates is not None:
        api.rates.refusals.clear()
        api.rates.taken = 0
    return {}


async def calls(api: BotApi, asked: Asked) -> Asked:
    """The calls that are remembered: method, chat, monotonic seconds, status (0 is well)."""
    return {"calls": [list(call) for call in api.calls], "now": time.monotonic()}


async def messages(api: BotApi, asked: Asked) -> Asked:
    """The messages of each of `chats`, oldest first."""
    return {str(one): [shown(m) for m in _chat(api, one).messages] for one in asked["chats"]}


async def delays(api: BotApi, asked: Asked) -> Asked:
    """Seconds from each thing said by `users` to the bot's next message, oldest first."""
    found: list[float] = []
    for user in _people(api, asked):
        since: float | None = None
        for message in user.chat.by_id.values():
            if not message.by_bot:
                since = message.at if since is None else since
            elif since is not None:
                found.append(message.at - since)
                since = None
    return {"delays": found}


async def idle(api: BotApi, asked: Asked) -> Asked:
    """Wait until every update was confirmed, `seconds` at most."""
    await api.idle(asked.get("seconds", 30.0))
    return {}


async def until(api: BotApi, asked: Asked) -> Asked:
    """Wait until `count` calls of the `methods` went well since the reset, `seconds` at most."""
    methods = [name.lower() for name in asked["methods"]]
    began = time.monotonic()
    async with asyncio.timeout(asked.get("seconds", 60.0)):
        while sum(api.done[name] for name in methods) < asked["count"]:  # noqa: ASYNC110
            await asyncio.sleep(0.002)
    return {"seconds": time.monotonic() - began}


def _chat(api: BotApi, number: int) -> Chat:
    return api.world.chats[number]


def shown(message: Message) -> Asked:
    return {
        "id": message.id,
        "by_bot": message.by_bot,
        "text": message.text,
        "labels": message.labels,
        "files": [file.name for file in message.files],
        "edited": message.edited,
        "deleted": message.deleted,
        "thread": message.thread,
        "quiet": message.quiet,
    }


ACTS: dict[str, Callable[[BotApi, Asked], Awaitable[Asked]]] = {
    act.__name__: act
    for act in (
        users,
        group,
        say,
        press,
        start,
        block,
        delete_account,
        rates,
        faults,
        stats,
        reset,
        calls,
        messages,
        delays,
        idle,
        until,
    )
}
