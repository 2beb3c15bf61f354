"""The `preau` command: exit codes, one clear line per error, and no harm done."""

import asyncio
import contextlib
import json
import logging
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog
from psycopg.errors import InsufficientPrivilege, UndefinedTable
from sqlalchemy.exc import ProgrammingError

from bot import __main__ as command
from bot import cli
from bot.cli import Rarely
from bot.platforms.seen import Seen
from bot.platforms.web.platform import WebChat
from bot.settings import Settings, load
from storage.database import Database
from storage.lock import only_server, only_server_on
from tests.bot_api import BotApi
from tests.conftest import SECRET
from tests.homeserver import Synapse


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str


Preau = Callable[..., Said]


@pytest.fixture
def preau(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Preau]:
    """The command, in this process and in an empty folder; settings are keyword arguments."""
    for name in [name for name in os.environ if name.startswith("PREAU_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, **settings: str) -> Said:
        with monkeypatch.context() as given:
            for name, value in settings.items():
                given.setenv(f"PREAU_{name}", value)
            with pytest.raises(SystemExit) as end:
                command.main(arguments)
        out, err = capsys.readouterr()
        assert isinstance(end.value.code, int)
        return Said(end.value.code, out, err)

    yield run
    structlog.reset_defaults()


@pytest.fixture
def migrated(preau: Preau, sqlite_template: Path, tmp_path: Path) -> Preau:
    """The command beside a migrated database, with its secret."""
    (tmp_path / "preau.db").write_bytes(sqlite_template.read_bytes())
    (tmp_path / "secret").write_text(f"  {SECRET}\n")
    return lambda *arguments, **settings: preau(
        *arguments, **({"SECRET_KEY_FILE": "secret"} | settings)
    )


@pytest.fixture
def telegram() -> Iterator[BotApi]:
    """A Bot API server beside the command, which has an event loop of its own."""
    loop, api = asyncio.new_event_loop(), BotApi()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(api.open(), loop).result(10)
        yield api
        asyncio.run_coroutine_threadsafe(api.close(), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def line_of(said: Said) -> str:
    """The one line that says what went wrong."""
    [line] = said.err.splitlines()
    assert line.startswith("preau: ")
    return line.removeprefix("preau: ")


@contextlib.contextmanager
def taken_port() -> Iterator[str]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield str(other.getsockname()[1])


# What is misused


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing"], "No such command"),
        (["run", "--port", "1"], "--port"),
        (["demo", "--port", "abc"], "--port"),
        (["demo", "--port", "70000"], "--port"),
        (["invite", "--group", "2"], "--role secretariat|delegate"),
        (["invite", "--role", "member", "--days", "91"], "90 days at most"),
        (["invite", "--role", "member", "--poster", "a.pdf"], "without a role"),
        (["invite", "--poster", "a.pdf"], "set PREAU_PUBLIC_URL"),
        (["invite", "--uses", "5001"], "--uses"),
        (["invite", "--role", "king"], "--role"),
        (["invite", "--role", "member", "--organisation", "dne"], "leave out --organisation"),
        (["invite", "--role", "delegate"], "say --organisation"),
        (["invite", "--role", "delegate", "--organisation", "x", "--group", "y"], "--group"),
        (["invite", "--role", "delegate", "--organisation", "x"], "no organisation x"),
        (["invite", "--role", "member", "--uses", "3"], "serves once"),
        (["invite", "--role", "chair"], "say --group"),
        (["invite", "--role", "rapporteur"], "say --group"),
        (["invite", "--role", "secretariat", "--group", "2"], "leave out --group"),
        (["invite", "--role", "chair", "--group", "7"], "no group 7 (known: 1 usages, 2 "),
        (["invite", "--role", "chair", "--group", "g" * 90], "6 industry)"),
        (["invite", "--role", "chair", "--group", ""], "no group (known: 1 usages"),
        (["invite", "--role", "member", "--days", "0"], "--days"),
    ],
)
def test_misuse_is_one_line_and_exits_2(migrated: Preau, arguments: list[str], words: str) -> None:
    said = migrated(*arguments)
    assert said.code == 2
    assert words in line_of(said)
    assert said.out == ""


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("DATABASE_URL", "mysql://a:hidden@b/c", "only sqlite:///path and postgresql://"),
        ("DATABASE_URL", "nonsense", "only sqlite:///path and postgresql://"),
        ("DATABASE_URL", "sqlite://", "SQLite needs a file"),
        ("DATABASE_URL", "sqlite:///:memory:", "SQLite needs a file"),
        ("DATABASE_URL", "postgresql://a:hid@den@b/c", "%40"),
        ("DATABASE_URL", "postgresql://a:hidden@b:port/c", "not readable"),
        ("PUBLIC_URL", "preau.example", "https://host"),
        ("PUBLIC_URL", "ftp://preau.example", "https://host"),
        ("PUBLIC_URL", "https://preau.example/chat", "https://host"),
        ("PUBLIC_URL", "https://preau.example?a=b", "https://host"),
        ("PUBLIC_URL", "http://[", "https://host"),
        ("TRUSTED_PROXIES", "nginx", "10.0.0.1"),
        ("TRUSTED_PROXIES", "[1", "JSON"),
        ("LANGUAGE", "de", "fr, en"),
        ("TIMEZONE", "Paris", "Europe/Paris"),
        ("WEB_PORT", "abc", "integer"),
        ("CHANNELS", "closed", "'open' or 'strict'"),
        ("SECRET_KEY_FILE", "nowhere", "'nowhere'"),
        ("SECRET_KEY_FILE", ".", "'.'"),
        ("SECRET_KEY_FILE", "no\nwhere", "'no\\nwhere'"),
        ("SECRET_KEY", "short", "32 characters"),
        ("WEB_HOST", "nowhere.invalid", "'nowhere.invalid'"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(
    migrated: Preau, name: str, value: str, words: str
) -> None:
    said = migrated("run", **{name: value})
    assert said.code == 2
    line = said.err.splitlines()[-1]
    assert line.startswith(f"preau: PREAU_{name}")
    assert words in line
    assert "hid" not in line
    assert "den" not in line


def test_a_secret_file_must_hold_text(migrated: Preau, tmp_path: Path) -> None:
    for content, words in [(b"\xff\xfe" * 40, "text"), (b"\n", "too short"), (b"", "too short")]:
        (tmp_path / "secret").write_bytes(content)
        said = migrated("migrate")
        assert said.code == 2
        assert "PREAU_SECRET_KEY_FILE ('secret')" in line_of(said)
        assert words in said.err


def test_a_dotenv_that_is_not_text(migrated: Preau, tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"PREAU_CONTROLLER=Minist\xe8re")
    said = migrated("run")
    assert (said.code, line_of(said)) == (2, ".env is not written in UTF-8")


def test_empty_means_unset(preau: Preau, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "set PREAU_SECRET_KEY or" in line_of(
        preau("migrate", SECRET_KEY=" ", SECRET_KEY_FILE="")
    )
    for name in ("CONTROLLER", "DPO_CONTACT", "PUBLIC_URL", "METRICS_TOKEN", "DATABASE_URL"):
        monkeypatch.setenv(f"PREAU_{name}", "")
    monkeypatch.setenv("PREAU_DPO_CONTACT", " \t")
    settings = load()
    assert not settings.collects
    assert settings.public_url is None
    assert settings.metrics_token is None
    assert settings.database_url == "sqlite:///preau.db"


# What is understood


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("HTTPS://Preau.Example:443/", "https://preau.example"),
        ("http://preau.example:80", "http://preau.example"),
        ("https://preau.example:8443", "https://preau.example:8443"),
        ("http://[::1]:8080/", "http://[::1]:8080"),
    ],
)
def test_a_public_address_has_one_way_of_being_written(given: str, kept: str) -> None:
    assert Settings(_env_file=None, public_url=given).public_url == kept


@pytest.mark.parametrize("given", ["10.0.0.1, 192.168.0.0/16", '["10.0.0.1", "192.168.0.0/16"]'])
def test_lists_are_separated_by_commas_or_json(
    preau: Preau, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv("PREAU_TRUSTED_PROXIES", given)
    monkeypatch.setenv("PREAU_PREVIOUS_SECRET_KEYS", given)
    monkeypatch.setenv("PREAU_SECRET_KEY", f" {SECRET}\n")
    settings = load()
    assert [str(one) for one in settings.trusted_proxies] == ["10.0.0.1/32", "192.168.0.0/16"]
    assert settings.secrets() == [SECRET, "10.0.0.1", "192.168.0.0/16"]


def test_what_is_probably_not_meant_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREAU_CONTROLER", "x")
    told = "\n".join(
        Settings(
            _env_file=None,
            secret_key=SECRET,
            secret_key_file="secret",
            public_url="https://preau.example",
        ).warnings()
    )
    for words in ("both set", "TRUSTED_PROXIES is empty", "did you mean PREAU_CONTROLLER?"):
        assert words in told


def test_an_alias_of_postgresql() -> None:
    given = Settings(_env_file=None, database_url="postgres://a:b@c/d")
    assert given.database_url == "postgresql://a:b@c/d"


# What fails


def test_migrate_says_what_it_did(preau: Preau) -> None:
    assert "run `preau migrate`" in line_of(preau("run", SECRET_KEY=SECRET))
    assert not Path("preau.db").exists()
    first = preau("migrate", SECRET_KEY=SECRET)
    assert (first.code, first.out.startswith("migrated: ")) == (0, True)
    again = preau("migrate", SECRET_KEY=SECRET)
    assert (again.code, again.out.startswith("nothing to do: ")) == (0, True)


@pytest.mark.parametrize("name", ["run", "migrate", "doctor", "invite --role member"])
def test_a_database_of_a_newer_version(migrated: Preau, name: str) -> None:
    with contextlib.closing(sqlite3.connect("preau.db")) as database:
        database.execute("UPDATE alembic_version SET version_num = '0099'")
        database.commit()
    said = migrated(*name.split(), WEB_PORT="0")
    assert said.code == 1
    assert "made by a newer version" in said.err + said.out
    assert "preau migrate" not in said.err + said.out


@pytest.mark.parametrize("name", ["run", "migrate", "doctor", "invite --role member"])
def test_another_secret_changes_nothing(migrated: Preau, name: str) -> None:
    before = Path("preau.db").read_bytes()
    said = migrated(*name.split(), SECRET_KEY=SECRET[::-1], SECRET_KEY_FILE="", WEB_PORT="0")
    assert said.code == 1
    assert "SECRET_KEY" in said.err + said.out
    assert Path("preau.db").read_bytes() == before


@pytest.mark.parametrize("name", ["run", "doctor"])
def test_a_database_that_lacks_a_key(migrated: Preau, name: str) -> None:
    with contextlib.closing(sqlite3.connect("preau.db")) as database:
        database.execute("DELETE FROM keys WHERE purpose = 'index'")
        database.commit()
    said = migrated(name, WEB_PORT="0")
    assert (said.code, "lacks its index key" in said.err + said.out) == (1, True)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://preau:hidden@127.0.0.1:1/preau", "does not answer"),
        ("sqlite:///junk", "not a database"),
        ("sqlite:///folder", "unable to open"),
        ("sqlite:///junk/preau.db", "PREAU_DATABASE_URL"),
    ],
)
def test_a_database_that_cannot_be_used(
    migrated: Preau, tmp_path: Path, url: str, words: str
) -> None:
    (tmp_path / "junk").write_text("this is no database, and long enough to be looked at" * 20)
    (tmp_path / "folder").mkdir()
    said = migrated("migrate", DATABASE_URL=url)
    assert said.code == 1
    assert words in line_of(said)
    assert "hidden" not in said.err
    assert "hidden" not in migrated("doctor", DATABASE_URL=url).out


def test_one_server_for_one_file(migrated: Preau) -> None:
    with only_server(Path("preau.db")):
        said = migrated("run", WEB_PORT="0")
        assert (said.code, "already served by another process" in line_of(said)) == (1, True)
        assert migrated("migrate").code == 0
        assert migrated("invite", "--role", "member").code == 0


@pytest.mark.servers
def test_one_server_for_one_postgresql_database(
    migrated: Preau, postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.lock.PATIENCE", 0.0)
    other = Database(postgresql_url, [SECRET])
    with only_server_on(other.engine):
        said = migrated("run", WEB_PORT="0", DATABASE_URL=postgresql_url)
        assert (said.code, "already served by another process" in line_of(said)) == (1, True)
        assert migrated("migrate", DATABASE_URL=postgresql_url).code == 0
    other.close()


def test_fresh_deletes_nothing_under_a_running_demo(preau: Preau, tmp_path: Path) -> None:
    (tmp_path / ".demo").mkdir()
    database = tmp_path / ".demo" / "preau.db"
    database.write_text("what people gave")
    with only_server(database):
        said = preau("demo", "--fresh", WEB_PORT="0")
    assert (said.code, "already served by another process" in line_of(said)) == (1, True)
    assert database.read_text() == "what people gave"


def test_the_demo_draws_posters_of_its_own_address(
    preau: Preau, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.__main__.check_free", lambda *_: None)
    monkeypatch.setattr("bot.__main__._serve", lambda settings, *_: print(settings.public_url))
    assert preau("demo", "--port", "8099").out.splitlines()[-1] == "http://127.0.0.1:8099"
    beside_another = preau("demo", "--port", "8099", PUBLIC_URL="https://preau.example")
    assert beside_another.out.splitlines()[-1] == "http://127.0.0.1:8099"


@pytest.mark.parametrize("name", ["run", "demo"])
def test_a_port_that_is_taken(migrated: Preau, name: str) -> None:
    with taken_port() as port:
        said = migrated(name, WEB_PORT=port)
    assert said.code == 1
    assert f"port {port} is taken" in line_of(said)
    assert "--port" in said.err
    assert "PREAU_WEB_PORT" in said.err


@pytest.mark.parametrize(
    ("spoilt", "words"), [("secret", "too short"), ("preau.db", "not a database")]
)
def test_a_spoilt_demo_says_how_to_begin_anew(
    preau: Preau, tmp_path: Path, spoilt: str, words: str
) -> None:
    (tmp_path / ".demo").mkdir()
    (tmp_path / ".demo" / spoilt).write_text("spoilt")
    said = preau("demo", WEB_PORT="0")
    assert said.code == 1
    assert "preau demo --fresh" in line_of(said)
    assert words in said.err


def test_a_demo_that_has_no_folder(preau: Preau, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = preau("demo", DEMO_DIR=str(tmp_path / "file"), WEB_PORT="0")
    assert (said.code, "file" in line_of(said)) == (1, True)


def test_a_demo_whose_secret_was_deleted(
    preau: Preau, sqlite_template: Path, tmp_path: Path
) -> None:
    (tmp_path / ".demo").mkdir()
    (tmp_path / ".demo" / "preau.db").write_bytes(sqlite_template.read_bytes())
    said = preau("demo", WEB_PORT="0")
    assert (said.code, "preau demo --fresh" in line_of(said)) == (1, True)


@pytest.mark.parametrize(
    "bug", [ValueError("a bug"), ProgrammingError("SELEC", {}, UndefinedTable("no such table"))]
)
def test_a_bug_keeps_its_traceback(bug: Exception) -> None:
    with pytest.raises(type(bug)):
        cli.exit_code(_raising(bug))


def test_rights_that_were_not_given_are_no_bug(capsys: pytest.CaptureFixture[str]) -> None:
    refused = InsufficientPrivilege("permission denied for schema public")
    assert cli.exit_code(_raising(ProgrammingError("CREATE", {}, refused))) == 1
    assert "permission denied for schema public" in capsys.readouterr().err


def _raising(error: Exception) -> Callable[[], int]:
    def command() -> int:
        raise error

    return command


@pytest.mark.parametrize("name", ["run", "doctor"])
def test_a_token_that_telegram_does_not_know(
    migrated: Preau, telegram: BotApi, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(command, "tune", lambda: None)
    given = {"TELEGRAM_TOKEN": "1:refused-token", "TELEGRAM_API_URL": telegram.url}
    said = migrated(name, WEB_PORT="0", **given)
    assert said.code == (2 if name == "run" else 1)
    assert "PREAU_TELEGRAM_TOKEN: Telegram does not know it" in said.err + said.out
    assert "refused-token" not in said.err + said.out


@pytest.mark.parametrize("name", ["run", "doctor"])
@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"TELEGRAM_WEBHOOK_URL": "https://a.example"}, "PREAU_TELEGRAM_WEBHOOK_SECRET: needed"),
        ({"TELEGRAM_WEBHOOK_URL": "https://a.example:8444"}, "the ports 443, 80, 88 and 8443"),
        ({"TELEGRAM_WEBHOOK_URL": "http://a.example"}, "https: only"),
    ],
)
def test_a_webhook_that_cannot_be(
    migrated: Preau, monkeypatch: pytest.MonkeyPatch, name: str, more: dict[str, str], words: str
) -> None:
    monkeypatch.setattr("bot.platforms.telegram.doctor.examine", lambda *_, **__: Seen())
    given = {"TELEGRAM_TOKEN": "1:token", "WEB_PORT": "0"}
    if "SECRET" not in words:
        given["TELEGRAM_WEBHOOK_SECRET"] = "long-enough-a-secret"
    said = migrated(name, **given, **more)
    assert said.code == (2 if name == "run" else 1)
    assert words in said.err + said.out


# What works


def test_version_and_help(preau: Preau) -> None:
    assert re.fullmatch(r"preau \d+\.\d+\.\d+\n", preau("--version").out)
    assert preau("--help").code == 0
    nothing = preau()
    assert (nothing.code, nothing.out) == (2, "")
    assert "doctor" in nothing.err


def test_an_invitation_as_json(migrated: Preau) -> None:
    said = migrated("invite", "--role", "secretariat", "--json", WEB_HOST="::1", WEB_PORT="8080")
    assert said.code == 0
    invitation = json.loads(said.out)
    assert set(invitation) == {"code", "links", "expires"}
    assert invitation["links"]["web"] == f"http://[::1]:8080/#code={invitation['code']}"


def test_an_invitation_opens_telegram_too(migrated: Preau, monkeypatch: pytest.MonkeyPatch) -> None:
    async def username(settings: Settings) -> str:
        return "preau_bot"

    monkeypatch.setattr("bot.platforms.telegram.bots.username", username)
    said = migrated("invite", "--role", "member", "--json", TELEGRAM_TOKEN="1:token")
    invitation = json.loads(said.out)
    begin, _, payload = invitation["links"]["telegram"].partition("?start=")
    assert begin == "https://t.me/preau_bot"
    assert payload == f"invitation-{invitation['code']}"
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", payload)
    plain = migrated("invite", "--role", "member", TELEGRAM_TOKEN="1:token").out.splitlines()
    assert plain[2] == f"{begin}?start=invitation-{plain[0]}"


@pytest.mark.parametrize(
    ("narrowed", "scope"),
    [
        (("--theme", "usages"), "theme:usages"),
        (("--academie", "28"), "academie:28"),
        ((), ""),
    ],
)
def test_an_invitation_to_review(migrated: Preau, narrowed: tuple[str, ...], scope: str) -> None:
    assert migrated("invite", "--role", "reviewer", *narrowed).code == 0
    with contextlib.closing(sqlite3.connect("preau.db")) as database:
        assert database.execute("SELECT role, scope FROM invitations").fetchall() == [
            ("reviewer", scope)
        ]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (("--role", "reviewer", "--academie", "99"), "no académie 99 (known: 01, "),
        (("--role", "reviewer", "--theme", "usages", "--academie", "28"), "an invitation to each"),
        (("--role", "secretariat", "--theme", "usages"), "by theme or académie"),
        (("--role", "reviewer", "--group", "1"), "leave out --group"),
    ],
)
def test_an_invitation_to_review_that_cannot_be(
    migrated: Preau, asked: tuple[str, ...], words: str
) -> None:
    said = migrated("invite", *asked)
    assert (said.code, words in line_of(said)) == (2, True)


def test_an_invitation_for_many_with_its_poster(migrated: Preau, tmp_path: Path) -> None:
    asked = ("--uses", "200", "--days", "365", "--label", "Collège Jean-Moulin", "--json")
    files = ("--qr", str(tmp_path / "qr.png"), "--poster", str(tmp_path / "poster.pdf"))
    said = migrated("invite", *asked, *files, PUBLIC_URL="https://preau.example")
    assert said.code == 0, said.err
    code = json.loads(said.out)["code"]
    assert json.loads(said.out)["links"] == {"web": f"https://preau.example/#code={code}"}
    assert (tmp_path / "qr.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "poster.pdf").read_bytes().startswith(b"%PDF")
    with contextlib.closing(sqlite3.connect("preau.db")) as database:
        found = database.execute("SELECT role, uses, uses_left, label FROM invitations")
        [(role, uses, left, label)] = found.fetchall()
    assert (role, uses, left) == (None, 200, 200)
    assert b"Moulin" not in label
    nowhere = ("--poster", str(tmp_path / "none" / "poster.pdf"))
    said = migrated("invite", *nowhere, PUBLIC_URL="https://preau.example")
    assert (said.code, "No such file" in line_of(said)) == (1, True)


def test_an_invitation_is_made_though_telegram_is_away(migrated: Preau) -> None:
    with taken_port() as port:
        url = f"http://127.0.0.1:{port}"
    said = migrated(
        "invite", "--role", "member", "--json", TELEGRAM_TOKEN="1:token", TELEGRAM_API_URL=url
    )
    assert said.code == 0
    assert set(json.loads(said.out)["links"]) == {"web"}
    assert line_of(said) == "Telegram does not answer; there is no t.me link"


def test_an_invitation_to_a_group(migrated: Preau) -> None:
    assert migrated("invite", "--role", "chair", "--group", "2").code == 0
    with contextlib.closing(sqlite3.connect("preau.db")) as database:
        [(role, scope)] = database.execute("SELECT role, scope FROM invitations")
        assert (role, scope) == ("chair", "group:2")
        database.execute("UPDATE working_groups SET closed_at = created_at WHERE id = 2")
        database.commit()
    said = migrated("invite", "--role", "chair", "--group", "2")
    assert (said.code, "no group 2 (known: 1 usages, 3 " in line_of(said)) == (2, True)


def test_doctor_tells_everything_at_once_and_touches_nothing(preau: Preau, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with taken_port() as port:
        said = preau(
            "doctor",
            LANGUAGE="de",
            CHANNELS="strict",
            WEB_CHAT="false",
            WEB_PORT=port,
            DATA_DIR="file",
            DATABASE_URL="sqlite:///new/preau.db",
            CONTROLER="x",
        )
    assert said.code == 1
    problems = "\n".join(line for line in said.out.splitlines() if line.startswith("PROBLEM"))
    for words in (
        "PREAU_LANGUAGE",
        "PREAU_CHANNELS",
        f"port {port}",
        "PREAU_DATA_DIR",
        "set PREAU_SECRET_KEY",
        "run `preau migrate`",
    ):
        assert words in problems
    assert "PREAU_CONTROLER is no setting; did you mean PREAU_CONTROLLER?" in said.out
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_doctor_beside_a_migrated_database(migrated: Preau, tmp_path: Path) -> None:
    before = sorted(path.name for path in tmp_path.iterdir())
    said = migrated("doctor", WEB_PORT="0", METRICS_TOKEN="never shown")
    assert (said.code, "All is well." in said.out) == (0, True)
    assert SECRET not in said.out
    assert "never shown" not in said.out
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_doctor_asks_telegram_unless_it_is_off(migrated: Preau, telegram: BotApi) -> None:
    given = {"TELEGRAM_TOKEN": telegram.token, "WEB_PORT": "0"}
    said = migrated("doctor", TELEGRAM_API_URL=telegram.url, **given)
    assert (said.code, f"NOTE     Telegram: @{telegram.username}, id " in said.out) == (0, True)
    assert telegram.token not in said.out
    telegram.counts.clear()
    off = migrated("doctor", TELEGRAM_API_URL=telegram.url, TELEGRAM="false", **given)
    assert (off.code, "NOTE     Telegram" in off.out) == (0, False)
    assert not telegram.counts


def test_doctor_asks_matrix_unless_it_is_off(
    migrated: Preau, tmp_path: Path, synapse: Synapse
) -> None:
    user_id, password = synapse.register("preau")
    given = {
        "MATRIX_HOMESERVER": synapse.url,
        "MATRIX_USER": user_id,
        "MATRIX_PASSWORD": password,
        "WEB_PORT": "0",
    }
    before = (tmp_path / "preau.db").read_bytes()
    said = migrated("doctor", **given)
    assert (said.code, f"NOTE     Matrix: {synapse.url} " in said.out) == (0, True)
    assert "not logged in yet" in said.out
    assert password not in said.out
    assert (tmp_path / "preau.db").read_bytes() == before
    off = migrated("doctor", MATRIX="false", **given)
    assert (off.code, "NOTE     Matrix" in off.out) == (0, False)
    assert "NOTE     MATRIX is false: Matrix is not served" in off.out


@pytest.mark.parametrize(
    ("password", "line"),
    [
        ("not this one", "PREAU_MATRIX_USER, PREAU_MATRIX_PASSWORD: the homeserver does not take"),
        ("", "PREAU_MATRIX_PASSWORD or PREAU_MATRIX_ACCESS_TOKEN: one is needed"),
    ],
)
def test_a_first_start_that_matrix_refuses_is_not_made_again(
    migrated: Preau, synapse: Synapse, monkeypatch: pytest.MonkeyPatch, password: str, line: str
) -> None:
    """A service manager heeds the 2: it would log in again and again."""
    monkeypatch.setattr(command, "tune", lambda: None)
    user_id, _ = synapse.register("preau")
    given = {"MATRIX_HOMESERVER": synapse.url, "MATRIX_USER": user_id, "WEB_PORT": "0"}
    said = migrated("run", MATRIX_PASSWORD=password, **given)
    assert said.code == 2
    assert said.err.splitlines()[-1].startswith(f"preau: {line}")
    doctor = migrated("doctor", MATRIX_PASSWORD=password, **given)
    assert (f"PROBLEM  {line}" in doctor.out) == (password == "")


def test_doctor_looks_at_matrix_without_a_database(preau: Preau, synapse: Synapse) -> None:
    user_id, password = synapse.register("preau")
    given = {"MATRIX_HOMESERVER": synapse.url, "MATRIX_USER": user_id}
    said = preau("doctor", MATRIX_PASSWORD=password, SECRET_KEY=SECRET, WEB_PORT="0", **given)
    assert (said.code, f"NOTE     Matrix: {synapse.url} " in said.out) == (1, True)
    assert "logged in" not in said.out


@pytest.mark.servers
def test_doctor_only_reads_on_postgresql(preau: Preau, postgresql_url: str) -> None:
    given = {"DATABASE_URL": postgresql_url, "SECRET_KEY": SECRET, "WEB_PORT": "0"}
    assert "All is well." in preau("doctor", **given).out
    assert preau("invite", "--role", "member", **given).code == 0
    assert "does not open" in preau("doctor", **(given | {"SECRET_KEY": SECRET[::-1]})).out


def test_run_says_ready_when_it_is_and_stops_when_told(migrated: Preau, tmp_path: Path) -> None:
    """The one test that starts a process: what is printed, what is logged, how it ends."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PREAU_")
    }
    environment |= {"PREAU_SECRET_KEY_FILE": "secret", "PREAU_WEB_PORT": "0"}
    root = Path(command.__file__).parent.parent
    with subprocess.Popen(
        [sys.executable, "-m", "bot", "run"],
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        try:
            ready, address = running.stdout.readline().split()
            assert ready == "ready"
            with urllib.request.urlopen(f"{address}/readyz", timeout=5) as answer:  # noqa: S310
                assert answer.status == 200
        finally:
            running.send_signal(signal.SIGTERM)
            running.wait(10)
        logged = [json.loads(line) for line in running.stderr]
    assert running.returncode == 0
    [started] = [line for line in logged if line["event"] == "started"]
    assert (started["address"], started["database"]) == (address, "sqlite")
    assert logged[-1]["event"] == "stopped"


def test_what_does_not_end_is_ended() -> None:
    """A thread that hangs in a database, say; what is over in time is left alone."""
    code = (
        "import sys, time; from bot.cli import ended_in\n"
        "with ended_in(0.2) as stopping: stopping()\n"
        "time.sleep(0.4)\n"
        "print('on time', flush=True)\n"
        "with ended_in(0.2) as stopping: stopping(); time.sleep(60)"
    )
    root = Path(command.__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=30
    )
    assert (done.returncode, done.stdout) == (1, "on time\n")
    [line] = done.stderr.splitlines()
    assert line.startswith("preau: ")


def test_a_platform_that_ends_by_itself_is_a_failure(
    migrated: Preau, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run(self: WebChat, receiver: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(WebChat, "run", run)
    monkeypatch.setattr(command, "SWITCH", sys.getswitchinterval())  # it holds for the process
    said = migrated("run", WEB_PORT="0")
    *logged, line = said.err.splitlines()
    assert (said.code, line) == (1, "preau: a platform ended by itself; see the log")
    [ended] = [one for one in map(json.loads, logged) if one["event"] == "a platform ended"]
    assert "RuntimeError: a bug" in ended["exception"]


def test_what_only_some_use_is_not_imported_at_start() -> None:
    code = (
        "import sys, bot.__main__, handlers, scheduled; "
        "print(*({'alembic', 'matplotlib', 'segno', 'prometheus_client', 'PIL', 'numpy'}"
        " & set(sys.modules)))"
    )
    root = Path(command.__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


def test_a_library_that_repeats_itself_is_heard_once_a_minute() -> None:
    rarely = Rarely(60)

    def said(line: str, at: float) -> bool:
        record = logging.LogRecord("asyncio", logging.ERROR, "", 0, line, None, None)
        record.created = at
        return rarely.filter(record)

    heard = [said("out of files\nsocket 6", at) for at in (0, 1, 59, 61, 62)]
    assert heard == [True, False, False, True, False]
    assert said("something else", 62)
