"""What Telegram says of a chat counts once, although it may say it again after a restart."""

from sqlalchemy import select

from bot.messages import Incoming
from storage.conversations import Seen
from storage.deliveries import Failure
from storage.people import Chat, ChatState
from tests.chats import ON_SQLITE
from tests.stage import Stage

pytestmark = ON_SQLITE


async def states(stage: Stage) -> dict[str, ChatState]:
    chats = select(Chat.address, Chat.state)
    return await stage.db.read(lambda store: dict(store.session.execute(chats).all()))


async def test_a_block_given_again_after_a_start_blocks_nobody(stage: Stage) -> None:
    someone = await stage.newcomer()
    [chat] = await states(stage)
    receiver, now = stage.service.dispatcher, stage.clock.now()
    start = Incoming("telegram", chat, chat, "901", now, text="/start")
    await receiver.lost("telegram", chat, Failure.blocked, "900", now)
    assert (await states(stage))[chat] is ChatState.blocked
    await receiver.receive(start)
    await receiver.lost("telegram", chat, Failure.blocked, "900", now)
    assert (await receiver.receive(start)).seen is Seen.applied
    assert (await states(stage))[chat] is ChatState.active
    await receiver.lost("telegram", chat, Failure.blocked, "902", now)
    assert (await states(stage))[chat] is ChatState.blocked
    assert someone.seen


async def test_a_move_given_again_moves_nothing_back(stage: Stage) -> None:
    await stage.newcomer()
    [chat] = await states(stage)
    receiver, now = stage.service.dispatcher, stage.clock.now()
    await receiver.moved("telegram", chat, "-1000", "900", now)
    await receiver.moved("telegram", "-1000", chat, "901", now)
    await receiver.moved("telegram", chat, "-1000", "900", now)
    assert list(await states(stage)) == [chat]
