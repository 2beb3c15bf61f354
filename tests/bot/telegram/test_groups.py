"""Groups of Telegram: what is said there, what is heard, and what becomes of them."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from bot.among import MINUTE
from storage.deliveries import Delivery, DeliveryState, Failure
from storage.grants import Role
from storage.people import Account, Chat, ChatKind, ChatState
from storage.polls import Electorate
from storage.store import Store
from tests.bot_api import USERNAME, BotApi, Group
from tests.chats import ON_SQLITE, Chatter
from tests.conftest import NOW
from tests.stage import Stage

pytestmark = ON_SQLITE


async def settled(stage: Stage) -> None:
    assert stage.api is not None
    await stage.api.idle()
    await stage.settle()


async def state_of(stage: Stage, address: int) -> ChatState | None:
    def look(store: Store) -> ChatState | None:
        number = store.people.chat_at("telegram", str(address))
        return None if number is None else store.session.get_one(Chat, number).state

    return await stage.db.read(look)


async def with_card(stage: Stage, api: BotApi, group: Group) -> Chatter:
    """Somebody of the secretariat, who has shown a poll in a group."""

    def make(store: Store) -> None:
        store.polls.open(
            "Que faire ?",
            electorate=Electorate.public,
            closes_at=NOW + timedelta(days=1),
            now=NOW,
            options=("Réseau", "Tablettes"),
        )

    secretary = await stage.invited(Role.secretariat)
    assert isinstance(secretary, Chatter)
    await stage.db.write(make)
    group.add_bot(secretary.user)
    await settled(stage)
    secretary.user.say(f"/votes@{USERNAME}", in_group=group)
    await settled(stage)
    secretary.user.press("Montrer ici", chat=group)
    await settled(stage)
    return secretary


async def wait_in(stage: Stage, address: int, words: str = "people.menu") -> None:
    """Leave something for a chat that the clock will send later."""

    def queue(store: Store) -> None:
        number = store.people.chat_at("telegram", str(address))
        assert number is not None
        from storage.deliveries import Outgoing

        body = {"markup": words, "choices": [], "files": []}
        store.deliveries.queue(number, "", [Outgoing(body)], NOW + timedelta(hours=1))

    await stage.db.write(queue)


async def failures(stage: Stage) -> list[tuple[DeliveryState, Failure | None]]:
    def look(store: Store) -> list[tuple[DeliveryState, Failure | None]]:
        wanted = select(Delivery.state, Delivery.failure).where(
            Delivery.state == DeliveryState.failed
        )
        return [(row[0], row[1]) for row in store.session.execute(wanted)]

    return await stage.db.read(look)


async def test_added_it_says_once_what_it_does(stage: Stage, api: BotApi) -> None:
    anna, group = api.user("Anna"), api.group()
    group.add_bot(anna)
    await settled(stage)
    [hello] = group.from_bot
    assert "Bonjour, je suis Préau" in hello.text
    assert hello.labels == ["Parler à Préau en privé"]
    assert hello.buttons[0][0].url == f"https://t.me/{USERNAME}?start=menu"
    people = await stage.db.read(lambda store: len(store.session.scalars(select(Account)).all()))
    assert people == 0, "nothing is kept of who added it"


async def test_it_hears_only_what_is_addressed_to_it(stage: Stage, api: BotApi) -> None:
    api.world.privacy = False  # as an administrator, it would be given everything
    anna, group = api.user("Anna"), api.group()
    group.add_bot(anna)
    await settled(stage)
    stage.clock.advance_to(NOW + MINUTE)
    for text in ("bonjour", "menu", "/votes@another_bot", "les votes de Préau", "@someone menu"):
        anna.say(text, in_group=group)
    anna.send_sticker(in_group=group)
    anna.send_photo(b"x", caption="bonjour", in_group=group)
    await settled(stage)
    assert len(group.from_bot) == 1
    for text in (f"@{USERNAME} bonjour", f"bonjour @{USERNAME.upper()}", f"/aide@{USERNAME}"):
        stage.clock.advance_to(stage.clock.now() + MINUTE)
        anna.say(text, in_group=group)
        await settled(stage)
    assert len(group.from_bot) == 4
    stage.clock.advance_to(stage.clock.now() + MINUTE)
    anna.say("je suis d'accord", reply_to=group.newest, in_group=group)
    await settled(stage)
    assert len(group.from_bot) == 4, "people talk to each other about what it said"
    anna.say(f"/aide@{USERNAME}", reply_to=group.newest, in_group=group)
    await settled(stage)
    assert len(group.from_bot) == 5


async def test_strangers_cannot_have_a_group_flooded(stage: Stage, api: BotApi) -> None:
    group = api.group()
    group.add_bot(api.user("Anna"))
    for number in range(20):
        api.user(f"Zoé {number}").say(f"/aide@{USERNAME}", in_group=group)
    await settled(stage)
    assert len(group.from_bot) == 1


async def test_who_commands_too_much_in_a_group_is_not_answered(stage: Stage, api: BotApi) -> None:
    group, secretary = api.group(), await stage.invited(Role.secretariat)
    assert isinstance(secretary, Chatter)
    group.add_bot(secretary.user)
    await settled(stage)
    for _ in range(70):
        secretary.user.say(f"/votes@{USERNAME}", in_group=group)
    await settled(stage)
    assert len(group.from_bot) <= 61
    assert "très vite" not in "".join(one.text for one in group.from_bot)
    assert "très vite" not in secretary.user.chat.newest.text


@pytest.mark.parametrize("forum", [True, False])
async def test_it_answers_in_the_topic(stage: Stage, api: BotApi, forum: bool) -> None:
    group, secretary = api.group(forum=forum, supergroup=True), stage.chatter()
    await secretary.start()
    group.add_bot(secretary.user)
    await settled(stage)
    thread = group.topic("Votes", secretary.user) if forum else None
    secretary.user.say(f"/votes@{USERNAME}", in_group=group, thread=thread)
    await settled(stage)
    assert group.newest.thread == thread
    assert len(group.from_bot) == 2


async def test_a_topic_that_is_gone_is_answered_in_the_group(stage: Stage, api: BotApi) -> None:
    group, secretary = api.group(forum=True), stage.chatter()
    await secretary.start()
    group.add_bot(secretary.user)
    thread = group.topic("Votes", secretary.user)
    await settled(stage)
    count = len(group.from_bot)
    secretary.user.say(f"/votes@{USERNAME}", in_group=group, thread=thread)
    group.delete_topic(thread)
    await settled(stage)
    assert len(group.from_bot) == count + 1
    assert group.newest.thread is None


async def test_a_chain_of_replies_is_no_topic(stage: Stage, api: BotApi) -> None:
    group, anna = api.group(supergroup=True), stage.chatter()
    await anna.start()
    group.add_bot(anna.user)
    await settled(stage)
    message = {
        **group.newest.as_json(),
        "message_id": 99,
        "from": anna.user.shown,
        "message_thread_id": 2,
        "text": f"/votes@{USERNAME}",
    }
    message.pop("reply_markup")
    api.give("message", message, group.id)
    await settled(stage)
    assert len(group.from_bot) == 2


# Coming and going


@pytest.mark.parametrize("leave", [Group.kick_bot, Group.remove_bot])
async def test_removed_it_says_no_more_and_what_waits_has_failed(
    stage: Stage, api: BotApi, leave: Callable[[Group], Any]
) -> None:
    anna, group = api.user("Anna"), api.group()
    group.add_bot(anna)
    await settled(stage)
    await wait_in(stage, group.id)
    leave(group)
    await settled(stage)
    assert await state_of(stage, group.id) is ChatState.left
    assert await failures(stage) == [(DeliveryState.failed, Failure.removed)]
    stage.clock.advance_to(NOW + timedelta(minutes=5))
    group.add_bot(anna)
    await settled(stage)
    assert await state_of(stage, group.id) is ChatState.active
    assert len(group.from_bot) == 2, "it says again what it does"


async def test_a_removal_is_found_out_by_an_error(stage: Stage, api: BotApi) -> None:
    group = api.group()
    group.add_bot(api.user("Anna"))
    await settled(stage)
    group.chat.bot_is = "kicked"  # nobody tells us
    await wait_in(stage, group.id)
    await stage.advance(timedelta(hours=2))
    assert await state_of(stage, group.id) is ChatState.left
    assert await failures(stage) == [(DeliveryState.failed, Failure.removed)]


@pytest.mark.parametrize("told", [True, False])
async def test_it_follows_a_group_that_becomes_a_supergroup(
    stage: Stage, api: BotApi, told: bool
) -> None:
    group = api.group()
    secretary = await with_card(stage, api, group)
    await wait_in(stage, group.id, "Toujours là.")
    if told:
        after = group.upgrade(secretary.user)
    else:
        api.updates.allowed = ["callback_query"]
        after = group.upgrade(secretary.user)
        api.updates.allowed = None
    await settled(stage)
    await stage.advance(timedelta(hours=2))
    await settled(stage)
    assert after.newest.text == "Toujours là."
    assert await state_of(stage, after.id) is ChatState.active
    chats = await stage.db.read(
        lambda store: store.session.scalars(
            select(Chat.state).where(Chat.kind == ChatKind.group)
        ).all()
    )
    assert list(chats).count(ChatState.active) == 1


# Who speaks


async def test_an_anonymous_administrator_is_nobody(stage: Stage, api: BotApi) -> None:
    group = api.group(supergroup=True)
    group.add_bot(api.user("Anna"))
    await settled(stage)
    stage.clock.advance_to(NOW + MINUTE)
    group.say_anonymously(f"/votes@{USERNAME}")
    await settled(stage)
    assert "Bonjour, je suis Préau" in group.newest.text
    people = await stage.db.read(lambda store: len(store.session.scalars(select(Account)).all()))
    assert people == 0


async def test_a_channel_that_speaks_in_a_group_and_posts_in_channels(
    stage: Stage, api: BotApi
) -> None:
    group, channel = api.group(supergroup=True), api.channel()
    group.add_bot(api.user("Anna"))
    await settled(stage)
    as_channel = {
        "id": 136817688,
        "is_bot": True,
        "first_name": "Channel",
        "username": "Channel_Bot",
    }
    message = {
        "message_id": 50,
        "from": as_channel,
        "sender_chat": channel.chat.as_json(),
        "chat": group.chat.as_json(),
        "date": 1_800_000_000,
        "text": f"/votes@{USERNAME}",
    }
    api.give("message", message, group.id)
    api.updates.allowed = None
    channel.post(f"/votes@{USERNAME}")
    await settled(stage)
    assert not channel.chat.from_bot
    people = await stage.db.read(lambda store: len(store.session.scalars(select(Account)).all()))
    assert people == 0


async def test_a_strangers_press_leads_to_their_own_chat(stage: Stage, api: BotApi) -> None:
    group, stranger = api.group(), api.user("Zoé")
    await with_card(stage, api, group)
    stranger.press("Réseau", chat=group)
    await settled(stage)
    assert stranger.waits == 0
    assert stranger.toasts[-1].url == f"https://t.me/{USERNAME}?start=vote-1"
    stranger.start("vote-1")
    await settled(stage)
    notice, card = stranger.chat.from_bot
    assert "je suis Préau" in notice.text
    assert card.labels[:2] == ["Réseau", "Tablettes"]


@pytest.mark.parametrize("data", ["reports.open:1", "form.send:report", "x" * 64, "link:", ""])
async def test_a_forged_press_in_a_group_says_nothing_there(
    stage: Stage, api: BotApi, data: str
) -> None:
    group = api.group()
    secretary = await with_card(stage, api, group)
    count = len(group.from_bot)
    secretary.user.press(data=data, chat=group)
    await settled(stage)
    assert secretary.user.waits == 0
    assert len(group.from_bot) == count


# Private chats


async def test_who_blocks_it_is_not_written_to_and_comes_back_by_start(
    stage: Stage,
) -> None:
    someone = stage.chatter()
    await someone.start()
    await wait_in(stage, someone.user.id)
    someone.user.block()
    await settled(stage)
    assert await state_of(stage, someone.user.id) is ChatState.blocked
    assert await failures(stage) == [(DeliveryState.failed, Failure.blocked)]
    answer = await someone.start()
    assert "Bonjour, je suis Préau" in answer
    assert await state_of(stage, someone.user.id) is ChatState.active


@pytest.mark.parametrize(
    ("gone", "state", "failure"),
    [
        ("blocked", ChatState.blocked, Failure.blocked),
        ("deleted", ChatState.gone, Failure.deleted),
        ("unknown", ChatState.gone, Failure.not_found),
    ],
)
async def test_who_is_gone_is_found_out_by_an_error(
    stage: Stage, api: BotApi, gone: str, state: ChatState, failure: Failure
) -> None:
    someone = stage.chatter()
    await someone.start()
    await wait_in(stage, someone.user.id)
    if gone == "blocked":
        api.world.blocked_by.add(someone.user.id)
    elif gone == "deleted":
        someone.user.delete_account()
    else:
        del api.world.chats[someone.user.id]
    await stage.advance(timedelta(hours=2))
    await asyncio.sleep(0)
    assert await state_of(stage, someone.user.id) is state
    assert await failures(stage) == [(DeliveryState.failed, failure)]
