"""What ends our serving ends no more than that: we begin again, with pauses, and say so once."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext, suppress
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from bot.clock import Clock
from bot.platforms.base import PlatformRefused, Receiver
from bot.platforms.matrix import spells
from bot.platforms.matrix.client import DeviceLost, ServerRefused, TakenOver, Unreachable
from bot.platforms.matrix.login import for_now
from bot.platforms.matrix.platform import Matrix
from bot.platforms.matrix.spells import Spell
from storage.database import Database, Unavailable
from tests.bot.matrix.accounts import Account

AWAY, GONE = Unreachable("HTTP status 502"), DeviceLost("not ours")
WRONG = PlatformRefused("PREAU_MATRIX_PASSWORD: no")


def said(logged: list[Any]) -> list[tuple[str, str]]:
    """How bad it is, and what is said of being served, with the reason."""
    events = ("Matrix is not served for now", "Matrix is served again")
    lines = [one for one in logged if one["event"] in events]
    return [(one["log_level"], one.get("reason", "again")) for one in lines]


# Pauses


def test_pauses_grow_until_it_has_gone_well() -> None:
    spell = Spell()
    assert [spell.failed(GONE) for _ in range(11)] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


@pytest.mark.parametrize("error", [AWAY, Unavailable()])
def test_what_is_away_is_looked_for_more_often(error: Exception) -> None:
    spell = Spell()
    assert [spell.failed(error) for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]


def test_we_wait_as_long_as_is_said() -> None:
    assert Spell().failed(Unreachable("403 M_USER_LOCKED", 60)) == 60
    assert Spell().failed(TakenOver()) > 300


def test_what_somebody_has_to_mend_is_tried_ever_more_seldom() -> None:
    spell = Spell()
    assert [spell.failed(WRONG) for _ in range(6)] == [300, 600, 1200, 2400, 3600, 3600]
    assert spell.failed(AWAY) == 30


def test_it_is_an_error_if_somebody_has_to_mend_it() -> None:
    locked = ServerRefused(401, {"errcode": "M_USER_LOCKED", "error": "Anna locked it"})
    gone = ServerRefused(401, {"errcode": "M_UNKNOWN_TOKEN"})
    with capture_logs() as logged:
        for error in (WRONG, TakenOver(), for_now(locked), GONE, gone):
            Spell().failed(error)
    assert [level for level, _ in said(logged)] == ["error"] * 3 + ["warning"] * 2
    spell = Spell()
    with capture_logs() as logged:
        for error in (locked, for_now(locked)):
            spell.failed(error)
    assert said(logged) == [("error", "the homeserver refuses: 401 M_USER_LOCKED")]


async def test_a_server_that_never_answered_is_looked_for_where_it_is_set() -> None:
    spell = Spell()
    with capture_logs() as logged:
        spell.failed(AWAY)
        serving = asyncio.create_task(spell.serving())
        await asyncio.sleep(0)
        spell.failed(AWAY)
        serving.cancel()
    reasons = ["PREAU_MATRIX_HOMESERVER: HTTP status 502", "HTTP status 502"]
    assert [reason for _, reason in said(logged)] == reasons


async def test_a_spell_is_over_when_it_has_gone_well_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(spells, "GOOD", 0.05)
    spell = Spell()
    with capture_logs() as logged:
        for error in (AWAY, GONE, AWAY):
            spell.failed(error)
        with suppress(TimeoutError):
            await asyncio.wait_for(spell.serving(), 0.01)
        assert spell.failed(GONE) == 8  # it went well, but not for long
        await spell.serving()
        await spell.serving()
        assert spell.failed(AWAY) == 1
    first = "PREAU_MATRIX_HOMESERVER: HTTP status 502"
    reasons = [first, "not ours", "again", "HTTP status 502"]
    assert said(logged) == [("warning", reason) for reason in reasons]


# The platform


class Listening:
    """Nobody says anything."""

    def in_hand(self, *_: object) -> Any:
        return nullcontext()


@pytest.fixture
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spells, "SHORTEST", 0.05)
    monkeypatch.setattr(spells, "LONGEST", 0.2)
    monkeypatch.setattr(spells, "GOOD", 0.2)
    monkeypatch.setattr("bot.platforms.matrix.login.REFUSED_WAIT", 0.2)


@asynccontextmanager
async def running(account: Account, **changed: Any) -> AsyncIterator[tuple[Matrix, Any]]:
    """The platform as it serves an account; with what is logged. It must not end by itself."""
    matrix = Matrix(account.client(**changed).settings, account.database, Clock())
    task = asyncio.create_task(matrix.run(cast("Receiver", Listening())))
    try:
        with capture_logs() as logged:
            yield matrix, logged
        assert not task.done()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await matrix.close()


async def until(settled: Any) -> None:
    async with asyncio.timeout(30):
        while not settled():  # noqa: ASYNC110 (some of it is at the server)
            await asyncio.sleep(0.02)


@pytest.mark.usefixtures("_soon")
async def test_a_locked_account_is_served_once_it_is_unlocked(account: Account) -> None:
    account.change(locked=True)
    async with running(account) as (matrix, logged):
        await until(lambda: said(logged))
        await asyncio.sleep(0.5)
        [(level, reason)] = said(logged)
        assert level == "error"
        assert reason == "the homeserver refuses: 401 M_USER_LOCKED"
        account.change(locked=False)
        await until(lambda: len(said(logged)) == 2)
        assert said(logged)[1:] == [("warning", "again")]
        assert matrix.ready.is_set()


@pytest.mark.usefixtures("_soon")
async def test_an_account_that_is_locked_meanwhile_is_one_error(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.platforms.matrix.batches.LONG_POLL", 1)  # the one under way goes on
    async with running(account) as (matrix, logged):
        await until(matrix.ready.is_set)
        account.change(locked=True)
        await until(lambda: said(logged))
        await asyncio.sleep(0.5)
        told = [one for one in logged if one["log_level"] != "info"]
        assert said(told) == [("error", "the homeserver refuses: 401 M_USER_LOCKED")]
        assert len(told) == 1


async def test_a_good_start_is_one_line(account: Account) -> None:
    async with running(account) as (matrix, logged):
        await until(matrix.ready.is_set)
        await asyncio.sleep(0)
    assert [one["event"] for one in logged] == ["Matrix is served"]
    kept = account.kept()
    assert logged[0] == {
        "event": "Matrix is served",
        "log_level": "info",
        "account": account.user_id,
        "device": kept.device_id,
        "signed": True,
    }


async def test_a_clean_stop_counts_on(account: Account) -> None:
    async with running(account) as (matrix, _):
        await until(matrix.ready.is_set)
    assert account.kept().generation == account.generation() == 2


@pytest.mark.usefixtures("_soon")
async def test_a_database_that_was_served_before_is_waited_for(account: Account) -> None:
    """A restart ends no more than a refusal in the midst of serving does."""
    first = await account.open()
    account.log_out(first.access_token)
    for changed in ({"matrix_password": "not this one"}, {"matrix_password": None}):
        async with running(account, **changed) as (matrix, logged):
            await until(lambda logged=logged: said(logged))
            await asyncio.sleep(0.5)
            [(level, reason)] = said(logged)
            assert level == "error"
            assert "PREAU_MATRIX_PASSWORD" in reason
            assert not matrix.ready.is_set()


async def test_a_wrong_password_ends_a_first_start(account: Account) -> None:
    settings = account.client(matrix_password="not this one").settings
    matrix = Matrix(settings, account.database, Clock())
    try:
        with pytest.raises(PlatformRefused, match="PREAU_MATRIX_PASSWORD"):
            await matrix.run(cast("Receiver", Listening()))
    finally:
        await matrix.close()


@pytest.mark.usefixtures("_soon")
async def test_once_served_a_wrong_password_ends_nothing(account: Account) -> None:
    old = account.member.password
    async with running(account) as (matrix, logged):
        await until(matrix.ready.is_set)
        account.change(password="another one", logout_devices=True)
        await until(lambda: len([one for one in said(logged) if one[0] == "error"]) == 1)
        await asyncio.sleep(0.5)
        assert not matrix.ready.is_set()
        (_, gone), (level, reason) = said(logged)
        assert "M_UNKNOWN_TOKEN" in gone
        assert level == "error"
        assert reason.startswith("PREAU_MATRIX_USER, PREAU_MATRIX_PASSWORD")
        account.change(password=old)
        await until(lambda: said(logged)[-1] == ("warning", "again"))


@pytest.mark.usefixtures("_soon")
async def test_devices_are_not_made_without_a_pause(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spells, "SHORTEST", 0.2)
    async with running(account) as (matrix, logged):
        await until(matrix.ready.is_set)
        opened = 0
        real = matrix.client.open

        async def lost() -> None:
            nonlocal opened
            opened += 1
            if opened <= 3:
                raise DeviceLost("the server has one-time keys that are not ours")
            await real()

        monkeypatch.setattr(matrix.client, "open", lost)

        account.log_out(matrix.client.access_token)
        began = asyncio.get_running_loop().time()
        await until(lambda: opened == 4)
        assert asyncio.get_running_loop().time() - began > 0.6
        await until(lambda: said(logged)[-1] == ("warning", "again"))


@pytest.mark.usefixtures("_soon")
async def test_another_process_ends_our_serving_with_one_line(
    account: Account, new_database: Callable[[], Database]
) -> None:
    async with running(account) as (matrix, logged):
        await until(matrix.ready.is_set)
        second = await account.open(new_database())
        await until(lambda: [one for one in said(logged) if one[0] == "error"])
        assert not matrix.ready.is_set()
        assert set(account.devices()) == {second.device_id}
        assert said(logged)[-1] == ("error", str(TakenOver()))
