"""The Bot API test server, asked by python-telegram-bot: what it takes, shows and refuses."""

import pytest
from telegram import (
    Bot,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputMediaDocument,
    InputMediaPhoto,
    Message,
)
from telegram.error import EndPointNotFound, InvalidToken, NetworkError

from tests.bot_api import BotApi, Group, User
from tests.bot_api.clients import keyboard, picture, refused, stock_bot

# Who it is


async def test_the_bot_is_a_bot_with_a_name(api: BotApi, bot: Bot) -> None:
    me = await bot.get_me()
    assert me.is_bot
    assert me.username == api.username
    assert me.can_read_all_group_messages is False


async def test_another_token_is_refused(api: BotApi) -> None:
    other = stock_bot(api, "100200300:another")
    async with other.request:
        with pytest.raises(InvalidToken, match="Unauthorized"):
            await other.get_me()


async def test_a_method_that_is_not_served(bot: Bot) -> None:
    with pytest.raises(EndPointNotFound):
        await bot.do_api_request("sendTelepathy")


# Texts


async def test_a_text_is_shown_as_it_reads(bot: Bot, anna: User) -> None:
    sent = await bot.send_message(
        anna.id, " <b>Été</b> 👋 &lt;<i>là</i>&gt;\n", "HTML", disable_notification=True
    )
    assert sent.text == "Été 👋 <là>"
    assert sent.text_html == "<b>Été</b> 👋 &lt;<i>là</i>&gt;"
    assert sent.from_user is not None
    assert sent.from_user.is_bot
    shown = anna.chat.newest
    assert (shown.text, shown.quiet) == ("Été 👋 <là>", True)
    assert shown.html.startswith(" <b>")


@pytest.mark.parametrize(
    ("html", "why"),
    [
        ("<p>x</p>", 'Unsupported start tag "p" at byte offset 0'),
        ("é<br>", 'Unsupported start tag "br" at byte offset 2'),
        ("<b>x", 'Can\'t find end tag corresponding to start tag "b"'),
        ("<b><i>x</b></i>", 'expected "</i>", found "</b>"'),
        ("x</b>", "Unexpected end tag"),
        ("a < b", "Unclosed start tag"),
        ('<span class="x">a</span>', 'must have class "tg-spoiler"'),
    ],
)
async def test_html_is_read_strictly(bot: Bot, anna: User, html: str, why: str) -> None:
    await refused(bot.send_message(anna.id, html, "HTML"), "can't parse entities", why)
    assert anna.chat.messages == []


async def test_every_tag_of_telegram_is_taken(bot: Bot, anna: User) -> None:
    tags = [
        "b",
        "strong",
        "i",
        "em",
        "u",
        "ins",
        "s",
        "strike",
        "del",
        "tg-spoiler",
        "code",
        "pre",
        "blockquote",
    ]
    html = "".join(f"<{tag}>x</{tag}>" for tag in tags)
    html += '<a href="https://e.org/?a=1&amp;b=2">l</a><blockquote expandable>q</blockquote>'
    sent = await bot.send_message(anna.id, html, "HTML")
    assert len(sent.entities) == len(tags) + 2
    assert sent.entities[-2].url == "https://e.org/?a=1&b=2"


async def test_a_text_of_4096_characters_after_its_tags(bot: Bot, anna: User) -> None:
    await bot.send_message(anna.id, f"<b>{'é' * 4095}&amp;</b>", "HTML")
    await refused(bot.send_message(anna.id, "é" * 4097), "message is too long")
    await refused(bot.send_message(anna.id, "<b> </b>", "HTML"), "message text is empty")


# Keyboards and presses


async def test_callback_data_is_1_to_64_bytes(bot: Bot, anna: User) -> None:
    await bot.send_message(anna.id, "x", reply_markup=keyboard("Oui", data="é" * 32))
    for data in ("é" * 32 + "x", ""):
        board = keyboard("Oui", data=data)
        await refused(bot.send_message(anna.id, "x", reply_markup=board), "BUTTON_DATA_INVALID")


async def test_a_keyboard_of_100_buttons_and_8_a_row(bot: Bot, anna: User) -> None:
    row = keyboard(*"12345678").inline_keyboard[0]
    most = [*([row] * 12), row[:4]]
    await bot.send_message(anna.id, "x", reply_markup=InlineKeyboardMarkup(most))
    for board in ([*most, row[:1]], [[*row, row[0]]]):
        asked = bot.send_message(anna.id, "x", reply_markup=InlineKeyboardMarkup(board))
        await refused(asked, "reply markup is too long")


async def test_a_link_to_a_host_without_a_dot_is_refused(bot: Bot, anna: User) -> None:
    def link(url: str) -> InlineKeyboardMarkup:
        return InlineKeyboardMarkup([[InlineKeyboardButton("Ouvrir", url=url)]])

    await bot.send_message(anna.id, "x", reply_markup=link("http://127.0.0.1:8080/"))
    asked = bot.send_message(anna.id, "x", reply_markup=link("http://localhost:8080/"))
    await refused(asked, "Wrong HTTP URL")


async def test_a_press_is_answered_once_and_in_time(api: BotApi, bot: Bot, anna: User) -> None:
    await bot.send_message(anna.id, "Venez-vous ?", reply_markup=keyboard("Oui, merci"))
    anna.press("oui")
    [update] = await bot.get_updates()
    query = update.callback_query
    assert query is not None
    assert (query.data, anna.waits) == ("a:1", 1)
    assert isinstance(query.message, Message)
    assert query.message.text == "Venez-vous ?"
    await refused(query.answer("x" * 201), "MESSAGE_TOO_LONG")
    await query.answer("Noté.", show_alert=True)
    assert [(toast.text, toast.alert) for toast in anna.toasts] == [("Noté.", True)]
    assert anna.waits == 0
    await refused(query.answer(), "query is too old")
    api.limits.callback_patience = 0
    anna.press("oui")
    [update] = await bot.get_updates(offset=update.update_id + 1)
    assert update.callback_query is not None
    await refused(update.callback_query.answer(), "query is too old")


async def test_a_forged_press_and_a_message_out_of_reach(bot: Bot, anna: User) -> None:
    await bot.send_message(anna.id, "x", reply_markup=keyboard("Oui"))
    anna.press("Oui", data="polls.vote:1:1", inaccessible=True)
    [update] = await bot.get_updates()
    assert update.callback_query is not None
    assert update.callback_query.data == "polls.vote:1:1"
    assert update.callback_query.message is not None
    assert not update.callback_query.message.is_accessible
    with pytest.raises(AssertionError, match="no button"):
        anna.press("Non")


# Edits and deletions


async def test_an_edit_answers_with_the_edited_message(bot: Bot, anna: User) -> None:
    sent = await bot.send_message(anna.id, "un", reply_markup=keyboard("Oui"))
    edited = await sent.edit_text("<b>deux</b>", "HTML")
    assert isinstance(edited, Message)
    assert (edited.text, edited.message_id) == ("deux", sent.message_id)
    assert edited.edit_date is not None
    assert edited.reply_markup is None
    assert (anna.chat.newest.text, anna.chat.newest.edited) == ("deux", 1)
    await refused(sent.edit_text("<b>deux</b>", "HTML"), "message is not modified")
    await sent.edit_text("deux")  # its bold is gone
    await sent.edit_reply_markup(keyboard("Non"))
    await refused(sent.edit_reply_markup(keyboard("Non")), "message is not modified")


async def test_what_cannot_be_edited(bot: Bot, anna: User) -> None:
    anna.say("bonjour")
    hers = anna.last.id
    await refused(bot.edit_message_text("x", anna.id, hers), "message can't be edited")
    await refused(bot.edit_message_text("x", anna.id, 99), "message to edit not found")
    photo = await bot.send_photo(anna.id, picture(), "Légende")
    await refused(photo.edit_text("x"), "there is no text in the message to edit")
    await photo.edit_caption("Autre légende")
    assert anna.chat.newest.text == "Autre légende"
    text = await bot.send_message(anna.id, "x")
    await refused(text.edit_caption("y"), "there is no caption in the message to edit")
    await text.delete()
    await refused(text.edit_text("y"), "message to edit not found")


async def test_a_message_is_deleted_within_48_hours(bot: Bot, anna: User, group: Group) -> None:
    sent = await bot.send_message(anna.id, "x")
    anna.chat.newest.date -= 48 * 3600 + 1
    await refused(sent.delete(), "message can't be deleted")
    assert await sent.edit_text("y")  # an edit has no such limit
    others = [await bot.send_message(anna.id, str(n)) for n in range(3)]
    await bot.delete_messages(anna.id, [*[one.message_id for one in others], 999])
    assert [one.text for one in anna.chat.from_bot] == ["y"]
    await refused(others[0].delete(), "message to delete not found")
    anna.say("à tous", in_group=group)
    theirs = group.messages[-1].id
    await refused(bot.delete_message(group.id, theirs), "message can't be deleted")


# Files


async def test_a_photo_within_its_limits(api: BotApi, bot: Bot, anna: User) -> None:
    sent = await bot.send_photo(anna.id, picture(640, 480), "é" * 1024)
    assert (sent.photo[-1].width, sent.photo[-1].height) == (640, 480)
    again = await bot.send_photo(anna.id, sent.photo[-1].file_id)
    assert again.photo[-1].file_id == sent.photo[-1].file_id
    too_long = bot.send_photo(anna.id, picture(), "é" * 1025)
    await refused(too_long, "message caption is too long")
    await refused(bot.send_photo(anna.id, b"no picture"), "IMAGE_PROCESS_FAILED")
    flat = bot.send_photo(anna.id, picture(630, 30))
    await refused(flat, "PHOTO_INVALID_DIMENSIONS")
    assert api.limits.photo == 10 * 1024 * 1024
    api.limits.photo = 500
    await refused(bot.send_photo(anna.id, picture(640, 480)), "is too big for a photo")
    assert [file.kind for one in anna.chat.from_bot for file in one.files] == ["photo", "photo"]


async def test_a_document_of_at_most_50_mb(bot: Bot, anna: User) -> None:
    sent = await bot.send_document(anna.id, b"a,b\n1,2\n", filename="données.csv")
    assert sent.document is not None
    assert sent.document.file_name == "données.csv"
    assert anna.chat.newest.files[0].data == b"a,b\n1,2\n"
    with pytest.raises(NetworkError, match="Request Entity Too Large"):
        await bot.send_document(anna.id, bytes(51 * 1024 * 1024), write_timeout=30)


async def test_a_file_of_at_most_20_mb_comes_down(bot: Bot, anna: User) -> None:
    anna.send_document(b"%PDF-1.7 ...", "note.pdf", caption="Voici")
    anna.send_document(b"%PDF", "trop.pdf", size=20 * 1024 * 1024 + 1)
    anna.send_voice(b"OggS...")
    anna.send_photo(picture(), album="7")
    updates = await bot.get_updates()
    small, large, voice, photo = [update.message for update in updates]
    assert small is not None
    assert small.document is not None
    file = await small.document.get_file()
    assert bytes(await file.download_as_bytearray()) == b"%PDF-1.7 ..."
    assert small.caption == "Voici"
    assert large is not None
    assert large.document is not None
    await refused(large.document.get_file(), "file is too big")
    assert voice is not None
    assert voice.voice is not None
    assert bytes(await (await voice.voice.get_file()).download_as_bytearray()) == b"OggS..."
    assert photo is not None
    assert (photo.photo[-1].width, photo.media_group_id) == (64, "7")
    await refused(bot.get_file("unknown"), "wrong file_id")


async def test_an_album_has_2_to_10_of_a_kind(bot: Bot, anna: User) -> None:
    media = [InputMediaPhoto(picture()) for _ in range(11)]
    sent = await bot.send_media_group(anna.id, media[:10], caption="Dix")
    assert len({one.media_group_id for one in sent}) == 1
    assert len(anna.chat.from_bot) == 10
    await refused(bot.send_media_group(anna.id, media[:1]), "not enough")
    await refused(bot.send_media_group(anna.id, media), "too many messages to send as an album")
    text = InputMediaDocument(b"x", filename="x.txt")
    mixed: list[InputMediaPhoto | InputMediaDocument] = [media[0], text]
    await refused(bot.send_media_group(anna.id, mixed), "can't be mixed")
