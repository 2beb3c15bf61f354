"""A group of Telegram tied to a working group, also once it has become a supergroup."""

from datetime import timedelta

import pytest

from storage.grants import Role
from storage.meetings import Plan
from storage.rooms import MEETING
from storage.store import Store
from tests.bot_api import BotApi, Message
from tests.bot_api.server import USERNAME
from tests.chats import ON_SQLITE, Chatter
from tests.conftest import NOW
from tests.stage import Stage

pytestmark = [pytest.mark.servers, ON_SQLITE]


def said(message: Message) -> str:
    """Its words, with ordinary spaces."""
    return message.text.replace("\u202f", " ")


def convene(store: Store) -> None:
    """Call a meeting of the first group, and have it shown where that is tied."""
    starts = NOW + timedelta(days=10)
    plan = Plan(starts, starts + timedelta(hours=2), "Europe/Paris", "salle 4", None)
    called, chat = store.meetings.call(1, plan, 1, NOW), store.rooms.of_group(1)
    assert chat is not None
    store.rooms.post(chat, MEETING, called.id, NOW, expires_at=called.ends_at)


async def test_a_group_is_tied_and_stays_so_when_it_grows(stage: Stage, api: BotApi) -> None:
    secretary = await stage.invited(Role.secretariat)
    assert isinstance(secretary, Chatter)
    group = api.group("Atelier")
    group.join(secretary.user)
    group.add_bot(secretary.user)
    await api.idle()
    await stage.settle()
    secretary.user.say(f"/groupes@{USERNAME}", in_group=group)
    await api.idle()
    await stage.settle()
    offered = group.newest
    assert "Quel groupe de travail lier à ce salon ?" in said(offered)
    secretary.user.press("1", chat=group)
    await api.idle()
    await stage.settle()
    assert secretary.user.toasts[-1].text == "C'est lié."
    assert "Ce salon est lié au groupe" in said(group.newest)
    assert group.newest is offered, "it takes the place of the offer"

    await stage.db.write(convene)
    await stage.settle()
    assert "Lieu : salle 4" in said(group.newest)
    grown = group.upgrade(secretary.user)
    await api.idle()
    await stage.settle()
    await stage.db.write(convene)
    await stage.settle()
    assert "Lieu : salle 4" in said(grown.newest)
    assert not api.refusals
