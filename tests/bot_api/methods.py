"""The other methods: who the bot is, menus, files, chats, presses."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

from tests.bot_api.errors import bad
from tests.bot_api.limits import check_commands
from tests.bot_api.model import Chat, Toast
from tests.bot_api.params import Params
from tests.bot_api.sending import METHODS as SENDING
from tests.bot_api.sending import Method
from tests.bot_api.world import World

ACTIONS = {
    "typing",
    "upload_photo",
    "record_video",
    "upload_video",
    "record_voice",
    "upload_voice",
    "upload_document",
    "choose_sticker",
    "find_location",
    "record_video_note",
    "upload_video_note",
}
SCOPES = {
    "default",
    "all_private_chats",
    "all_group_chats",
    "all_chat_administrators",
    "chat",
    "chat_administrators",
    "chat_member",
}


def get_me(world: World, params: Params) -> Any:
    return {
        "can_join_groups": True,
        "can_read_all_group_messages": not world.privacy,
        "supports_inline_queries": False,
        "can_connect_to_business": False,
        "has_main_web_app": False,
        **world.bot,
    }


def get_webhook_info(world: World, params: Params) -> Any:
    return world.webhook.info()


async def set_webhook(world: World, params: Params) -> bool:
    """Pending updates are kept, and delivered there (#setwebhook)."""
    url, secret = params.text("url"), params.text("secret_token")
    if not url:
        return await delete_webhook(world, params)
    world.webhook.check(url, secret)
    if params.flag("drop_pending_updates"):
        world.updates.drop()
    world.updates.allow(params.object("allowed_updates"))
    most = min(max(params.number("max_connections", 40), 1), 100)
    await world.webhook.set(url, secret, most)
    return True


async def delete_webhook(world: World, params: Params) -> bool:
    """Pending updates are kept unless it is asked otherwise (#deletewebhook)."""
    await world.webhook.stop()
    if params.flag("drop_pending_updates"):
        world.updates.drop()
    return True


def answer_callback_query(world: World, params: Params) -> Any:
    """Once, and not too late (#answercallbackquery; words of QUERY_ID_INVALID in Client.cpp)."""
    press = world.presses.get(params.text("callback_query_id"))
    patience = world.limits.callback_patience
    if press is None or time.monotonic() - press.at > patience:
        raise bad("query is too old and response timeout expired or query ID is invalid")
    text = params.text("text")
    if len(text) > world.limits.toast:
        raise bad("MESSAGE_TOO_LONG")
    del world.presses[press.id]
    press.toasts.append(Toast(text, params.flag("show_alert"), params.text("url") or None))
    chat = world.chats.get(press.user)
    if chat is not None:
        chat.version += 1
    return True


def send_chat_action(world: World, params: Params) -> Any:
    chat = world.chat(params.values.get("chat_id"))
    action = params.text("action")
    if action not in ACTIONS:
        raise bad("wrong parameter action in request")
    if len(chat.actions) >= 1000:
        del chat.actions[:500]
    chat.actions.append(action)
    chat.version += 1
    return True


def _menu(world: World, params: Params) -> tuple[str, str]:
    """The key of a command menu: its scope and language."""
    scope = params.object("scope") or {"type": "default"}
    kind = str(scope.get("type"))
    if kind not in SCOPES:
        raise bad("can't parse BotCommandScope: Unsupported type specified")
    key = kind
    if kind in ("chat", "chat_administrators", "chat_member"):
        key += f":{world.chat(scope.get('chat_id'), to_write=False).id}"
    if kind == "chat_member":
        key += f":{scope.get('user_id')}"
    language = params.text("language_code")
    if language and not (len(language) == 2 and language.isalpha() and language.islower()):
        raise bad("BOT_COMMAND_LANGUAGE_INVALID" if len(language) > 8 else "LANG_CODE_INVALID")
    return key, language


def set_my_commands(world: World, params: Params) -> Any:
    commands = params.object("commands")
    check_commands(commands, world.limits)
    world.commands[_menu(world, params)] = commands
    return True


def get_my_commands(world: World, params: Params) -> Any:
    return world.commands.get(_menu(world, params), [])


def delete_my_commands(world: World, params: Params) -> Any:
    world.commands.pop(_menu(world, params), None)
    return True


def get_file(world: World, params: Params) -> Any:
    """Up to 20 MB (#getfile)."""
    asked = params.text("file_id")
    if not asked:
        raise bad("file_id not specified")
    file = world.files.get(asked)
    if file is None:
        raise bad("wrong file_id or the file is temporarily unavailable")
    if file.size > world.limits.download:
        raise bad("file is too big")
    return {
        "file_id": asked,
        "file_unique_id": file.unique,
        "file_size": file.size,
        "file_path": file.path,
    }


def get_chat(world: World, params: Params) -> Any:
    chat = world.chat(params.values.get("chat_id"), to_write=False)
    return {
        **chat.as_json(),
        "accent_color_id": 0,
        "max_reaction_count": 11,
        "accepted_gift_types": {
            "unlimited_gifts": False,
            "limited_gifts": False,
            "unique_gifts": False,
            "premium_subscription": False,
            "gifts_from_channels": False,
        },
    }


def get_chat_member(world: World, params: Params) -> Any:
    chat = world.chat(params.values.get("chat_id"), to_write=False)
    asked = params.number("user_id")
    if asked == world.bot["id"]:
        return bot_member(world, chat)
    status = chat.members.get(asked)
    person = world.chats.get(asked)
    if status is None or person is None:
        raise bad("member not found" if person is not None else "invalid user_id specified")
    user = {"id": asked, "is_bot": False, "first_name": person.shown["first_name"]}
    return member(user, status)


def bot_member(world: World, chat: Chat) -> dict[str, Any]:
    return member(world.bot, chat.bot_is)


def member(user: dict[str, Any], status: str) -> dict[str, Any]:
    """A ChatMember."""
    found: dict[str, Any] = {"user": user, "status": status}
    if status == "kicked":
        found["until_date"] = 0
    if status == "administrator":
        rights = (
            "can_be_edited is_anonymous can_manage_chat can_delete_messages can_manage_video_chats "
            "can_restrict_members can_promote_members can_change_info can_invite_users "
            "can_post_stories can_edit_stories can_delete_stories"
        )
        found |= dict.fromkeys(rights.split(), False)
    return found


def _text_setter(name: str, longest: str) -> Method:
    """setMyDescription and its like."""

    def set_text(world: World, params: Params) -> Any:
        text = params.text(name)
        if len(text) > getattr(world.limits, longest):
            raise bad(f"{name.upper()}_TOO_LONG")
        world.texts[name, params.text("language_code")] = text
        return True

    return set_text


def _text_getter(name: str) -> Method:
    def get_text(world: World, params: Params) -> Any:
        language = params.text("language_code")
        found = world.texts.get((name, language)) or world.texts.get((name, ""), "")
        return {name: found}

    return get_text


METHODS: dict[str, Method] = {
    **SENDING,
    "getme": get_me,
    "getwebhookinfo": get_webhook_info,
    "answercallbackquery": answer_callback_query,
    "sendchataction": send_chat_action,
    "setmycommands": set_my_commands,
    "getmycommands": get_my_commands,
    "deletemycommands": delete_my_commands,
    "getfile": get_file,
    "getchat": get_chat,
    "getchatmember": get_chat_member,
    "setmydescription": _text_setter("description", "description"),
    "getmydescription": _text_getter("description"),
    "setmyshortdescription": _text_setter("short_description", "short_description"),
    "getmyshortdescription": _text_getter("short_description"),
}
WAITING_METHODS: dict[str, Callable[[World, Params], Awaitable[bool]]] = {
    "setwebhook": set_webhook,
    "deletewebhook": delete_webhook,
}
