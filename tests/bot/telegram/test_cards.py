"""A card in a group of Telegram: shown, pressed, redrawn in place; the way to a private chat."""

from datetime import timedelta

from bot.settings import Settings
from scheduled import rooms
from storage.database import Database
from storage.grants import Role
from storage.polls import Electorate
from storage.store import Store
from tests.bot_api import BotApi, Message
from tests.bot_api.server import USERNAME
from tests.chats import Chatter
from tests.conftest import NOW
from tests.stage import Stage


async def settled(stage: Stage, api: BotApi) -> None:
    await api.idle()
    await stage.settle()


async def tick(stage: Stage) -> None:
    """Redraw what changed, as the clock does every few seconds."""
    now = stage.clock.now()
    changed = await stage.db.read(lambda store: rooms.changed(store, now)) or []
    await stage.db.write(lambda store: rooms.redraw(store, now, changed))
    await stage.settle()


def open_poll(store: Store) -> None:
    store.polls.open(
        "Que faire ?",
        electorate=Electorate.public,
        closes_at=NOW + timedelta(days=1),
        now=NOW,
        options=("Réseau", "Tablettes"),
    )


def said(message: Message) -> str:
    """Its words, with ordinary spaces."""
    return message.text.replace("\u202f", " ")


async def test_a_poll_in_a_group_from_the_command_to_the_result(
    settings: Settings, db: Database
) -> None:
    async with BotApi() as api:
        stage = Stage(settings, db, NOW, api)
        await stage.open()
        secretary, parent = await stage.invited(Role.secretariat), await stage.newcomer()
        assert isinstance(secretary, Chatter)
        assert isinstance(parent, Chatter)
        stranger, group = api.user("Zoé"), api.group("Atelier")
        for user in (secretary.user, parent.user, stranger):
            group.join(user)
        group.add_bot(secretary.user)
        await stage.db.write(open_poll)
        await settled(stage, api)
        secretary.user.say(f"/votes@{USERNAME}", in_group=group)
        await settled(stage, api)
        assert group.newest.labels == ["Montrer ici : Que faire ?"]
        secretary.user.press("Montrer ici", chat=group)
        await settled(stage, api)
        card = group.newest
        shown = card.edited
        assert shown, "it takes the place of the offer"
        assert card.labels == ["Réseau", "Tablettes", "Ouvrir en privé"]

        parent.user.press("Réseau", chat=group)
        stranger.press("Tablettes", chat=group)
        await settled(stage, api)
        assert parent.user.toasts[-1].text == "Votre voix : Réseau."
        assert stranger.toasts[-1].url == f"https://t.me/{USERNAME}?start=vote-1"
        assert card.edited == shown
        await tick(stage)
        assert card.edited > shown
        assert "1 personne a voté." in said(card)
        stranger.press("Ouvrir en privé", chat=group)
        await settled(stage, api)
        assert "Que faire ?" in said(stranger.chat.newest)
        stranger.press("Tablettes")
        await settled(stage, api)

        await stage.advance(timedelta(days=2))
        await tick(stage)
        assert "Résultat (VOTE-2027-001)" in said(card)
        assert "Tablettes : 1 personne" in said(card)
        assert card.labels == ["Ouvrir en privé"]
        assert card is group.newest, "all of it in one message"
        assert not api.refusals
        await stage.close()
