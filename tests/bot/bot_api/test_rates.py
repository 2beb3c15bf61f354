"""The Bot API test server, asked by python-telegram-bot: the three rates."""

from datetime import timedelta

import pytest
from telegram import Bot
from telegram.error import RetryAfter

from tests.bot_api import BotApi, Rates, User


class Hands:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def timedeltas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PTB_TIMEDELTA", "1")


async def test_one_a_second_in_a_chat(api: BotApi, bot: Bot, anna: User) -> None:
    hands = Hands()
    api.rates = Rates(clock=hands)
    sent = await bot.send_message(anna.id, "un")
    with pytest.raises(RetryAfter) as raised:
        await bot.send_message(anna.id, "deux")
    assert raised.value.retry_after == timedelta(seconds=1)
    with pytest.raises(RetryAfter):
        await sent.edit_text("deux")
    await bot.send_chat_action(anna.id, "typing")  # is no message
    hands.now += 1
    await bot.send_message(anna.id, "deux")
    assert api.refusals == {"chat": 2}
    assert [one.text for one in anna.chat.from_bot] == ["un", "deux"]


async def test_thirty_a_second_in_all(api: BotApi, bot: Bot) -> None:
    hands = Hands()
    api.rates = Rates(clock=hands)
    people = [api.user(f"N{n}", known=True) for n in range(32)]
    for user in people[:30]:
        await bot.send_message(user.id, "x")
        hands.now += 0.01
    with pytest.raises(RetryAfter):
        await bot.send_message(people[30].id, "x")
    hands.now = 1001.0  # the first of them is a second old
    await bot.send_message(people[30].id, "x")
    with pytest.raises(RetryAfter):
        await bot.send_message(people[31].id, "x")
    assert api.refusals == {"all": 2}


async def test_twenty_a_minute_in_a_group(api: BotApi, bot: Bot, anna: User) -> None:
    hands = Hands()
    api.rates = Rates(clock=hands)
    group = api.group()
    group.add_bot(by=anna)
    for _ in range(20):
        await bot.send_message(group.id, "x")
        hands.now += 2
    with pytest.raises(RetryAfter) as raised:
        await bot.send_message(group.id, "x")
    assert raised.value.retry_after == timedelta(seconds=20)
    assert api.refusals == {"group": 1}


def test_a_burst_is_forgiven_and_regained() -> None:
    hands = Hands()
    rates = Rates(30, None, None, burst=60, clock=hands)
    assert [rates.take(n) for n in range(90)] == [None] * 90
    assert rates.take(0) is not None
    hands.now += 1
    assert [rates.take(n) for n in range(30)] == [None] * 30
    assert rates.take(0) is not None
    hands.now += 600
    assert rates.take(0, 90) is None
    assert rates.take(0) is not None


def test_an_album_counts_its_pictures() -> None:
    hands = Hands()
    rates = Rates(clock=hands)
    assert rates.take(-7, 10) is None
    assert rates.take(-7, 10) is None
    assert rates.take(-7) is not None
    hands.now += 59.9
    waiting = rates.take(-7, 10)
    assert waiting is not None
    assert (waiting.rule, waiting.seconds) == ("group", 1)
    hands.now += 0.1
    assert rates.take(-7, 10) is None


def test_a_penalty_closes_everything() -> None:
    hands = Hands()
    rates = Rates(2, None, None, penalty=5, clock=hands)
    assert [rates.take(n) for n in (1, 2)] == [None, None]
    assert [waiting.seconds for n in (3, 4) if (waiting := rates.take(n))] == [5, 5]
    hands.now += 4.9
    assert rates.take(5) is not None
    hands.now += 0.1
    assert rates.take(5) is None
