"""The Bot API test server, asked by python-telegram-bot: menus, people who left, groups."""

from collections.abc import Callable

import pytest
from telegram import (
    Bot,
    BotCommand,
    BotCommandScopeAllPrivateChats,
    BotCommandScopeChat,
    ReplyParameters,
)
from telegram.error import ChatMigrated, Forbidden

from tests.bot_api import BotApi, Group, User
from tests.bot_api.clients import refused

# Menus


async def test_menus_by_scope_and_language(bot: Bot, anna: User) -> None:
    private = BotCommandScopeAllPrivateChats()
    await bot.set_my_commands([("menu", "Le menu")], private, "fr")
    await bot.set_my_commands([("menu", "The menu")], private)
    [french] = await bot.get_my_commands(private, "fr")
    assert french == BotCommand("menu", "Le menu")
    assert await bot.get_my_commands() == ()
    await bot.delete_my_commands(private, "fr")
    assert await bot.get_my_commands(private, "fr") == ()
    unknown = bot.set_my_commands([("menu", "x")], BotCommandScopeChat(42))
    await refused(unknown, "chat not found")


async def test_the_limits_of_a_menu(bot: Bot) -> None:
    commands = [(f"c{n}", "x" * 256) for n in range(101)]
    await bot.set_my_commands(commands[:100])
    await refused(bot.set_my_commands(commands), "BOT_COMMANDS_TOO_MUCH")
    for name in ("x" * 33, "Menu", "é", ""):
        await refused(bot.set_my_commands([(name, "x")]), "BOT_COMMAND_INVALID")
    for words in ("x" * 257, ""):
        asked = bot.set_my_commands([("x", words)])
        await refused(asked, "BOT_COMMAND_DESCRIPTION_INVALID")
    await bot.set_my_short_description("x" * 120)
    await refused(bot.set_my_short_description("x" * 121), "TOO_LONG")


# Chats that are not there


async def test_chats_that_cannot_be_written_to(api: BotApi, bot: Bot, anna: User) -> None:
    await refused(bot.send_message(4242, "x"), "chat not found")
    stranger = api.user("Zoé")
    await refused(bot.send_message(stranger.id, "x"), "chat not found")
    anna.block()
    with pytest.raises(Forbidden, match="bot was blocked by the user"):
        await bot.send_message(anna.id, "x")
    anna.start("invite-1")
    await bot.send_message(anna.id, "x")
    anna.delete_account()
    with pytest.raises(Forbidden, match="user is deactivated"):
        await bot.send_message(anna.id, "x")
    updates = await bot.get_updates()
    stands = [u.my_chat_member.new_chat_member.status for u in updates if u.my_chat_member]
    assert stands == ["kicked", "member"]
    assert updates[-1].message is not None
    assert updates[-1].message.text == "/start invite-1"


Leave = Callable[[Group], object]


@pytest.mark.parametrize(
    ("leave", "why"),
    [(Group.kick_bot, "bot was kicked from the"), (Group.remove_bot, "bot is not a member")],
)
async def test_a_group_that_the_bot_left(bot: Bot, group: Group, leave: Leave, why: str) -> None:
    await bot.send_message(group.id, "bonjour")
    leave(group)
    with pytest.raises(Forbidden, match=why):
        await bot.send_message(group.id, "encore")


async def test_a_group_becomes_a_supergroup(bot: Bot, group: Group) -> None:
    after = group.upgrade()
    with pytest.raises(ChatMigrated) as raised:
        await bot.send_message(group.id, "x")
    assert raised.value.new_chat_id == after.id
    sent = await bot.send_message(after.id, "x")
    assert sent.chat.type == "supergroup"
    told = [update.message for update in await bot.get_updates() if update.message]
    assert told[-2].migrate_to_chat_id == after.id
    assert told[-1].migrate_from_chat_id == group.id


async def test_the_topics_of_a_forum(api: BotApi, bot: Bot, anna: User) -> None:
    forum = api.group("Forum", forum=True)
    forum.add_bot(by=anna)
    topic = forum.topic("Cantine")
    sent = await bot.send_message(forum.id, "x", message_thread_id=topic)
    assert (sent.message_thread_id, sent.is_topic_message) == (topic, True)
    assert forum.newest.thread == topic
    asked = bot.send_message(forum.id, "x", message_thread_id=topic + 1)
    await refused(asked, "message thread not found")
    forum.close_topic(topic)
    await refused(bot.send_message(forum.id, "x", message_thread_id=topic), "TOPIC_CLOSED")
    forum.delete_topic(topic)
    asked = bot.send_message(forum.id, "x", message_thread_id=topic)
    await refused(asked, "message thread not found")


async def test_a_reply_to_a_message_that_is_gone(bot: Bot, anna: User) -> None:
    anna.say("bonjour")
    sent = await bot.send_message(anna.id, "x", reply_parameters=ReplyParameters(anna.last.id))
    assert sent.reply_to_message is not None
    assert sent.reply_to_message.text == "bonjour"
    asked = bot.send_message(anna.id, "x", reply_parameters=ReplyParameters(99))
    await refused(asked, "message to be replied not found")
    lenient = ReplyParameters(99, allow_sending_without_reply=True)
    assert (await bot.send_message(anna.id, "x", reply_parameters=lenient)).text == "x"


async def test_in_a_group_the_bot_reads_what_is_for_it(
    api: BotApi, bot: Bot, anna: User, group: Group
) -> None:
    assert anna.say("bonjour à tous", in_group=group) is None
    assert anna.say("/menu", in_group=group) is None
    assert anna.say("/menu@another_bot", in_group=group) is None
    assert group.say_anonymously("bonjour à tous") is None
    assert anna.say(f"/menu@{api.username}", in_group=group)
    assert anna.say(f"dis, @{api.username} ?", in_group=group)
    sent = await bot.send_message(group.id, "Bonjour")
    assert anna.say("/menu", in_group=group)  # to whoever spoke last
    assert anna.say("merci", reply_to=sent.message_id, in_group=group)
    api.world.privacy = False
    assert anna.say("bonjour à tous", in_group=group)
    assert group.say_anonymously("bonjour à tous")
    member = await bot.get_chat_member(group.id, anna.id)
    assert member.status == "administrator"
    assert (await bot.get_chat(group.id)).title == "Atelier"
