"""`make demo-telegram`: Préau's demo beside the server, and who is invited to it."""

import asyncio
import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from bot.demo import DATABASE, DEMO_DIR, SECRET
from tests.bot_api.groups import Group
from tests.bot_api.people import User
from tests.bot_api.server import BotApi

TOKEN = "1:demo"  # that of `preau demo --telegram`
CLAIRE, KARIM, INES = PEOPLE = ("Claire", "Karim", "Inès")
GROUP = "Groupe de travail"
# France urbaine has yet to vote in the demo.
INVITED = {
    KARIM: ("délégué de France urbaine", ("--role", "delegate", "--organisation", "amgvf")),
    INES: ("secrétariat du comité", ("--role", "secretariat")),
}


@dataclass
class Guide:
    """What the page of the demo tells a newcomer.

    Attributes:
        web: the address of the demo's web chat; empty while nothing is served.
        invited: as what each of some people is invited, and the payload of their link, by id.
    """

    web: str = ""
    invited: dict[int, tuple[str, str]] = field(default_factory=dict)


def people(api: BotApi) -> Group:
    """Three people, and a group of theirs."""
    for name in PEOPLE:
        api.user(name)
    group = api.group(GROUP)
    group.chat.members.update(dict.fromkeys(api.users, "member"))
    return group


async def run(
    api: BotApi, group: Group | None, guide: Guide, more: list[str], stopped: asyncio.Event
) -> int:
    """Run `preau demo` until it ends, or until we are to stop; its exit code.

    Args:
        group: where the bot is added.
        more: options of `preau demo`.
    """
    command = (sys.executable, "-m", "bot", "demo", "--telegram", api.url, *more)
    demo = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert demo.stdout is not None
    told = asyncio.create_task(_tell(demo.stdout, api, group, guide))
    ended = asyncio.ensure_future(demo.wait())
    stopping = asyncio.ensure_future(stopped.wait())
    await asyncio.wait([ended, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not ended.done():
        demo.terminate()
    code = await ended
    told.cancel()
    await asyncio.gather(told, return_exceptions=True)
    return code


async def _tell(
    lines: asyncio.StreamReader, api: BotApi, group: Group | None, guide: Guide
) -> None:
    """Pass on what the demo prints; once it is ready, invite people and say where to go."""
    while line := (await lines.readline()).decode():
        print(line, end="", flush=True)
        if line.startswith("ready "):
            guide.web = line.split()[1]
        if line.startswith("Stop it "):
            await _invite(api, group, guide)
            print(f"A Telegram of its own, without any account: open {api.url}", flush=True)


async def _invite(api: BotApi, group: Group | None, guide: Guide) -> None:
    by_name = {str(user.shown["first_name"]): user for user in api.users.values()}
    for name, (role, options) in INVITED.items():
        if name in by_name:
            guide.invited[by_name[name].id] = (role, f"invitation-{await _code(options)}")
    host: User | None = by_name.get(INES)
    if group is not None and host is not None:
        group.add_bot(by=host)


async def _code(options: tuple[str, ...]) -> str:
    """A new invitation to the demo, which may be weeks ahead."""
    folder = Path(os.environ.get("PREAU_DEMO_DIR") or DEMO_DIR)
    settings = {
        "PREAU_DATABASE_URL": f"sqlite:///{folder / DATABASE}",
        "PREAU_SECRET_KEY_FILE": str(folder / SECRET),
        "PREAU_SECRET_KEY": "",
        "PREAU_TELEGRAM": "false",
    }
    command = (sys.executable, "-m", "bot", "invite", "--json", "--days", "90", *options)
    process = await asyncio.create_subprocess_exec(
        *command, env={**os.environ, **settings}, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    code: str = json.loads(out)["code"]
    return code
