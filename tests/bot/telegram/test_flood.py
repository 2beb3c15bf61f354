"""Newcomers at once on Telegram: what waits is held, so that updates behind them are given."""

import asyncio
from datetime import timedelta

from sqlalchemy import func, select

from storage.limits import NEW_FOR
from storage.people import Account
from storage.polls import Electorate
from storage.store import Store
from tests.bot_api import BotApi
from tests.chats import ON_SQLITE
from tests.stage import Stage

NEWCOMERS = 300


@ON_SQLITE
async def test_a_member_behind_a_flood_is_acknowledged_soon(stage: Stage, api: BotApi) -> None:
    member = stage.chatter("Ada")
    await member.start()
    now = stage.clock.now()

    def consult(store: Store) -> None:
        closes_at = now + timedelta(days=1)
        store.polls.open("Qui ?", electorate=Electorate.public, closes_at=closes_at, now=now)

    await stage.db.write(consult)
    stage.clock.advance_to(now + NEW_FOR)
    await member.say("votes")
    button = member.button("Pour")
    flood = [api.user(f"Zoé {number}") for number in range(NEWCOMERS)]
    for one in flood:
        one.start()
    member.user.press(button.message, data=button.data)
    async with asyncio.timeout(10):
        while member.user.waits:  # noqa: ASYNC110 (nothing tells of it)
            await asyncio.sleep(0.01)
    await member.look()
    assert await stage.db.read(_accounts) == NEWCOMERS + 1, "and all were answered"
    assert all(one.chat.newest.by_bot for one in flood)


def _accounts(store: Store) -> int:
    return store.session.execute(select(func.count(Account.id))).scalar_one()
