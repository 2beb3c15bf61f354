"""The server alone, with its page: `python -m tests.bot_api`; with `--demo`, Préau beside it."""

import argparse
import asyncio
import signal
import sys
import time

from aiohttp import web

from tests.bot_api import demo
from tests.bot_api.control import add_control
from tests.bot_api.page import add_page
from tests.bot_api.rates import Rates
from tests.bot_api.server import TOKEN, USERNAME, BotApi


def arguments() -> tuple[argparse.Namespace, list[str]]:
    """Ours, and those that are meant for `preau demo`."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bot_api", description=__doc__, allow_abbrev=False
    )
    parser.add_argument("--port", type=int, default=9100, help="0 picks one")
    parser.add_argument("--token", default=TOKEN)
    parser.add_argument("--username", default=USERNAME)
    parser.add_argument("--rates", action="store_true", help="enforce Telegram's three rates")
    parser.add_argument("--keep", type=int, help="messages that a chat remembers (all)")
    parser.add_argument("--seed", type=int, default=0, help="of the faults that come by chance")
    parser.add_argument("--empty", action="store_true", help="begin without people")
    parser.add_argument("--demo", action="store_true", help="run `preau demo` on it")
    parser.add_argument("--web-port", help="that of the demo; its other options are passed on")
    if "--demo" not in sys.argv:
        return parser.parse_args(), []
    asked, more = parser.parse_known_args()
    return asked, more if asked.web_port is None else [*more, "--port", asked.web_port]


async def serve(asked: argparse.Namespace, more: list[str]) -> int:
    """Serve until a signal, or until the demo ends; the exit code."""
    api = BotApi(
        demo.TOKEN if asked.demo else asked.token,
        username=asked.username,
        rates=Rates() if asked.rates else None,
        port=asked.port,
        keep=asked.keep,
        seed=asked.seed,
    )
    api.world.updates.next_id = int(time.time())  # a database may know those of an earlier run

    guide = demo.Guide()

    def routes(app: web.Application) -> None:
        add_control(api, app)
        add_page(api, app, guide)

    try:
        await api.open(routes)
    except OSError as error:
        print(f"port {asked.port}: {error.strerror}; choose another with --port")
        return 1
    group = None if asked.empty else demo.people(api)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    try:
        if asked.demo:
            print(f"A Telegram to try it in: {api.url} (one moment…)", flush=True)
            return await demo.run(api, group, guide, more, stopped)
        print(f"ready {api.url}", flush=True)
        await stopped.wait()
        return 0
    finally:
        await api.close()


if __name__ == "__main__":
    sys.exit(asyncio.run(serve(*arguments())))
