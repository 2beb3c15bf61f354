"""What an operator sets: the environment or `.env`, each name prefixed with `PREAU_`."""

import json
import os
import re
import secrets
from collections.abc import Mapping
from difflib import get_close_matches
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from dotenv import dotenv_values
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = "PREAU_"
ENV_FILE = ".env"
SHORTEST_SECRET = 32
FREE_RATE = 30  # messages a second that Telegram takes (https://core.telegram.org/bots/faq)
OTHER_NAMES = {"PREAU_DEMO_DIR"}  # read elsewhere, and settings of nobody but the demo
TELEGRAM = "https://api.telegram.org"
_DEFAULT_PORTS = {"http": 80, "https": 443}
_POSTGRESQL = re.compile(r"(?:postgres|postgresql|postgresql\+psycopg)://(.*)", re.DOTALL)
_CREDENTIALS = re.compile(r"[^:/@]*(?::[^@]*)?")
_SERVER = re.compile(r"(?:\[[0-9A-Fa-f:.%]+\]|[^\s:/?#@\[\]]*)(?::\d{1,5})?(?:[/?]\S*)?")

_ALLOWED = re.compile(r"@[^\s:]+:[\w.:\[\]-]+|\.?[\w\[\]-][\w.:\[\]-]*")

Network = IPv4Network | IPv6Network


class SettingsRefused(Exception):
    """Settings that cannot be used: one line for the operator each, in `problems`."""

    def __init__(self, *problems: str) -> None:
        super().__init__(problems[0])
        self.problems = problems


class Channels(StrEnum):
    """What may happen where: everything everywhere, or the strict profile of administrations.

    In the strict profile roles count on Matrix and signed in on the page, and only there is said
    what is the committee's: members' votes, drafts, names, meetings, what awaits a review.
    """

    open = "open"
    strict = "strict"


class Sensitive(StrEnum):
    """What a second person may have to agree to."""

    roles = "roles"
    export = "export"
    urgent = "urgent"
    erasure = "erasure"


OUTSIDE = frozenset({"telegram"})  # the platforms where no role counts in the strict profile


def _blank_is_unset(given: object) -> object:
    return None if isinstance(given, str) and not given.strip() else given


def _stripped(given: object) -> object:
    return given.strip() if isinstance(given, str) else given


def _listed(given: object) -> object:
    """A list, written as JSON or separated by commas."""
    if not isinstance(given, str):
        return given
    if not given.lstrip().startswith("["):
        return [item.strip() for item in given.split(",") if item.strip()]
    try:
        return json.loads(given)
    except ValueError:
        raise ValueError("neither a list separated by commas nor a JSON list") from None


def _network(given: object) -> object:
    if not isinstance(given, str):
        return given
    try:
        return ip_network(given.strip(), strict=False)
    except ValueError:
        raise ValueError("not an address or network, such as 10.0.0.1 or 10.0.0.0/8") from None


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("not a time zone of the tz database, such as Europe/Paris")
    return name


def _known_language(name: str) -> str:
    from bot.texts import LANGUAGES  # which needs the settings itself

    if name not in LANGUAGES:
        raise ValueError(f"not among the languages that exist: {', '.join(LANGUAGES)}")
    return name


def _served_database(url: str) -> str:
    """A database that is served. What is refused is never repeated: it may hold a password."""
    if url.startswith("sqlite:"):
        path = url.removeprefix("sqlite:///")
        if path == url or not path or path.startswith((":memory:", "file:")) or "?" in path:
            raise ValueError("SQLite needs a file and no options: sqlite:///path")
        return url
    found = _POSTGRESQL.fullmatch(url)
    if found is None:
        raise ValueError("only sqlite:///path and postgresql://… are served")
    credentials, _, server = found[1].rpartition("@")
    if not _CREDENTIALS.fullmatch(credentials):
        raise ValueError("an @ in the password must be written %40")
    if not _SERVER.fullmatch(server):
        raise ValueError("not readable: postgresql://user:password@host:port/name")
    return f"postgresql://{found[1]}"


def _public(url: str) -> str:
    """The one way of writing an address: lower case, no default port, no slash at the end."""
    asked = "asked for: https://host, without path"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(f"not an address; {asked}") from None
    if parts.scheme not in _DEFAULT_PORTS or not host or not re.fullmatch(r"[\w.:-]+", host):
        raise ValueError(f"not an address of the web; {asked}")
    if parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError(f"more than an address; {asked}")
    shown = f"[{host}]" if ":" in host else host
    kept = "" if port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{port}"
    return f"{parts.scheme}://{shown}{kept}"


def _without_slash(url: str) -> str:
    parts = urlsplit(url.strip())
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("not an address of the web, such as http://127.0.0.1:8081")
    return url.strip().rstrip("/")


def _posted_to(url: str) -> bool:
    """Whether Telegram takes a webhook's address (https://core.telegram.org/bots/api#setwebhook)."""
    parts = urlsplit(url)
    return parts.scheme == "https" and (parts.port or 443) in (443, 80, 88, 8443)


def _of_headers(secret: SecretStr | None) -> SecretStr | None:
    """What Telegram takes (https://core.telegram.org/bots/api#setwebhook)."""
    if secret is not None and not re.fullmatch(r"[A-Za-z0-9_-]{16,256}", secret.get_secret_value()):
        raise ValueError("16 to 256 of A-Z a-z 0-9 _ - (make one with: openssl rand -hex 32)")
    return secret


def _allowed(given: str) -> str:
    """A server's name, a suffix at a dot, or an account, in small letters."""
    name = given.strip().lower().removeprefix("*")
    if not _ALLOWED.fullmatch(name):
        raise ValueError("neither a server, nor a suffix such as .example.org, nor @user:server")
    return name


Words = Annotated[str | None, BeforeValidator(_blank_is_unset)]
Secret = Annotated[SecretStr, BeforeValidator(_stripped)]


class Settings(BaseSettings):
    """Every field's description is what `preau doctor` says of it. Empty means unset."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=ENV_FILE, env_ignore_empty=True, extra="ignore"
    )

    database_url: Annotated[str, BeforeValidator(_stripped), AfterValidator(_served_database)] = (
        Field("sqlite:///preau.db", description="sqlite:///path or postgresql://…")
    )
    secret_key: Annotated[Secret | None, BeforeValidator(_blank_is_unset)] = Field(
        None, description="secret that opens the database's keys; at least 32 characters"
    )
    secret_key_file: Path | None = Field(None, description="file that holds SECRET_KEY instead")
    previous_secret_keys: Annotated[list[Secret], NoDecode, BeforeValidator(_listed)] = Field(
        default_factory=list, description="earlier secrets, while keys are being rotated"
    )
    data_dir: Path = Field(Path("data"), description="folder of what is kept beside the database")
    language: Annotated[str, AfterValidator(_known_language)] = Field(
        "fr", description="language of people who have not chosen one"
    )
    timezone: Annotated[str, AfterValidator(_known_zone)] = Field(
        "Europe/Paris", description="time zone in which times are said"
    )
    public_url: Annotated[
        str | None,
        BeforeValidator(_blank_is_unset),
        AfterValidator(lambda url: url and _public(url)),
    ] = Field(None, description="address at which people reach the web chat")
    trusted_proxies: Annotated[
        list[Annotated[Network, BeforeValidator(_network)]], NoDecode, BeforeValidator(_listed)
    ] = Field(default_factory=list, description="proxies whose X-Forwarded-… headers are believed")
    controller: Words = Field(None, description="who answers for the data (GDPR article 13)")
    dpo_contact: Words = Field(None, description="how to reach the data protection officer")
    channels: Channels = Field(
        Channels.open, description="open; or strict: no role counts on Telegram"
    )
    second_person: Annotated[list[Sensitive], NoDecode, BeforeValidator(_listed)] = Field(
        default_factory=list,
        description=(
            "what a second person agrees to first: roles (given, or ended), erasure (of somebody "
            "else), urgent (broadcasts), export (tables, in chat); empty: nothing"
        ),
    )
    telegram: bool = Field(True, description="whether Telegram is served, if its token is there")
    telegram_token: Annotated[Secret | None, BeforeValidator(_blank_is_unset)] = Field(
        None, description="token that BotFather gave"
    )
    telegram_api_url: Annotated[str, AfterValidator(_without_slash)] = Field(
        TELEGRAM, description="Bot API server: Telegram's, or one of your own"
    )
    telegram_webhook_url: Annotated[
        str | None,
        BeforeValidator(_blank_is_unset),
        AfterValidator(lambda url: url and _public(url)),
    ] = Field(None, description="address to which Telegram posts; unset: Telegram is polled")
    telegram_webhook_secret: Annotated[
        Secret | None, BeforeValidator(_blank_is_unset), AfterValidator(_of_headers)
    ] = Field(None, description="secret that Telegram sends with what it posts")
    telegram_rate: float = Field(
        FREE_RATE, ge=1, le=1000, description="messages a second in all; more than 30 are paid for"
    )
    matrix: bool = Field(True, description="whether Matrix is served, if its settings are there")
    matrix_homeserver: Annotated[
        str | None,
        BeforeValidator(_blank_is_unset),
        AfterValidator(lambda url: url and _without_slash(url)),
    ] = Field(None, description="address of the homeserver, such as https://matrix.example.org")
    matrix_user: Words = Field(None, description="account of Préau: @preau:example.org")
    matrix_password: Annotated[Secret | None, BeforeValidator(_blank_is_unset)] = Field(
        None, description="its password, for the first login and for a new device"
    )
    matrix_access_token: Annotated[Secret | None, BeforeValidator(_blank_is_unset)] = Field(
        None, description="a token to use instead of a password, with its MATRIX_DEVICE_ID"
    )
    matrix_device_id: Words = Field(None, description="the device of MATRIX_ACCESS_TOKEN")
    matrix_allowed_servers: Annotated[
        list[Annotated[str, AfterValidator(_allowed)]], NoDecode, BeforeValidator(_listed)
    ] = Field(
        default_factory=list,
        description="whose invitations are taken: servers, .suffixes or @accounts; empty: our own",
    )
    matrix_rate: Annotated[float | None, BeforeValidator(_blank_is_unset)] = Field(
        None, gt=0, le=1000, description="messages a second in all; unset: learnt (Tchap: 1)"
    )
    web_host: Annotated[str, BeforeValidator(_stripped)] = Field(
        "127.0.0.1", min_length=1, description="address on which the web chat listens"
    )
    web_port: int = Field(8080, ge=0, le=65535, description="port on which the web chat listens")
    web_chat: bool = Field(True, description="whether the web chat is served")
    metrics_token: Annotated[Secret | None, BeforeValidator(_blank_is_unset)] = Field(
        None, description="token that opens /metrics"
    )

    @property
    def serves_telegram(self) -> bool:
        return self.telegram and self.telegram_token is not None

    @property
    def serves_matrix(self) -> bool:
        return self.matrix and self.matrix_homeserver is not None and self.matrix_user is not None

    @property
    def outside(self) -> frozenset[str]:
        """The platforms to which nothing is sent that is the committee's."""
        return OUTSIDE if self.channels is Channels.strict else frozenset()

    def counts_roles_on(self, platform: str) -> bool:
        return platform not in self.outside

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @property
    def collects(self) -> bool:
        """Whether it is said who answers for the data: nothing is collected before."""
        return bool(self.controller and self.dpo_contact)

    @property
    def database_kind(self) -> str:
        """`sqlite` or `postgresql`."""
        return self.database_url.partition(":")[0]

    @property
    def sqlite_path(self) -> Path | None:
        """The file of an SQLite database."""
        if self.database_kind != "sqlite":
            return None
        return Path(self.database_url.removeprefix("sqlite:///"))

    def secrets(self) -> list[str]:
        """The secret in force, then earlier ones.

        Raises:
            SettingsRefused: there is none, or it is too short, or its file cannot be read.
        """
        if self.secret_key is not None:
            name, current = "PREAU_SECRET_KEY", self.secret_key.get_secret_value()
        elif self.secret_key_file is not None:
            name = f"PREAU_SECRET_KEY_FILE ({str(self.secret_key_file)!r})"
            current = _read_secret(name, self.secret_key_file)
        else:
            raise SettingsRefused(
                "set PREAU_SECRET_KEY or PREAU_SECRET_KEY_FILE "
                "(make one with: openssl rand -base64 48)"
            )
        if len(current) < SHORTEST_SECRET:
            raise SettingsRefused(f"{name} is too short: {SHORTEST_SECRET} characters at least")
        return [current, *(key.get_secret_value() for key in self.previous_secret_keys)]

    def contradictions(self) -> list[str]:
        """What `run` refuses although each setting can be used: one line each."""
        found = []
        if self.channels is Channels.strict and not (self.serves_matrix or self.web_chat):
            found.append(
                "PREAU_CHANNELS: strict, but neither Matrix nor the page is served: "
                "no role would count anywhere"
            )
        if self.serves_telegram and self.telegram_webhook_url is not None:
            if self.telegram_webhook_secret is None:
                found.append("PREAU_TELEGRAM_WEBHOOK_SECRET: needed with TELEGRAM_WEBHOOK_URL")
            if self.telegram_api_url == TELEGRAM and not _posted_to(self.telegram_webhook_url):
                found.append(
                    "PREAU_TELEGRAM_WEBHOOK_URL: Telegram posts to https: only, "
                    "at the ports 443, 80, 88 and 8443"
                )
        if self.serves_matrix and self.matrix_access_token and not self.matrix_device_id:
            found.append("PREAU_MATRIX_DEVICE_ID: needed with MATRIX_ACCESS_TOKEN")
        return found

    def warnings(self) -> list[str]:
        """What works, and is probably not what was meant: one line each."""
        found = []
        if self.secret_key is not None and self.secret_key_file is not None:
            found.append("SECRET_KEY and SECRET_KEY_FILE are both set: the file is not read")
        if not self.collects:
            found.append("CONTROLLER and DPO_CONTACT are not both set: nothing is collected")
        if self.channels is Channels.strict:
            found.append(
                "CHANNELS is strict: roles count on Matrix and signed in on the page only; "
                "Telegram is sent nothing of the committee's own"
            )
        if (self.public_url or "").startswith("https:") and not self.trusted_proxies:
            found.append(
                "PUBLIC_URL is https and TRUSTED_PROXIES is empty: everybody will be counted as one"
            )
        if self.telegram_token is not None and not self.telegram:
            found.append("TELEGRAM is false: Telegram is not served, although its token is there")
        if self.telegram_webhook_secret is not None and self.telegram_webhook_url is None:
            found.append("TELEGRAM_WEBHOOK_SECRET is not used without TELEGRAM_WEBHOOK_URL")
        if self.matrix and (self.matrix_homeserver is None) != (self.matrix_user is None):
            found.append("MATRIX_HOMESERVER and MATRIX_USER are not both set: Matrix is not served")
        if not self.matrix and self.matrix_homeserver and self.matrix_user:
            found.append("MATRIX is false: Matrix is not served, although its account is there")
        return found + [_unknown(name) for name in _unknown_names()]


def load(**given: Any) -> Settings:
    """The settings, some of them given.

    Raises:
        SettingsRefused: with every setting that cannot be used.
    """
    settings, problems = load_what_can_be(**given)
    if problems:
        raise SettingsRefused(*problems.values())
    return settings


def load_what_can_be(**given: Any) -> tuple[Settings, Mapping[str, str]]:
    """The settings, those that cannot be used at their default; and what is said of these, by name.

    Raises:
        SettingsRefused: `.env` cannot be read at all.
    """
    try:
        return Settings(**given), {}
    except ValidationError as error:
        problems: dict[str, str] = {}
        for one in error.errors():
            name = str(one["loc"][0])
            said = one["msg"].removeprefix("Value error, ")
            problems.setdefault(name, f"{PREFIX}{name.upper()}: {said}")
        fields = Settings.model_fields
        defaults = {name: fields[name].get_default(call_default_factory=True) for name in problems}
        return Settings(**{**given, **defaults}), problems
    except UnicodeDecodeError:
        raise SettingsRefused(f"{ENV_FILE} is not written in UTF-8") from None
    except OSError as error:
        raise SettingsRefused(f"{ENV_FILE} cannot be read: {error.strerror}") from None


def own_secret(path: Path) -> Path:
    """The demo's secret file, made on first use and readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(48))
    return path


def _read_secret(name: str, path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except OSError as error:
        raise SettingsRefused(f"{name} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsRefused(f"{name} does not hold text") from None


def _known_names() -> set[str]:
    return {f"{PREFIX}{name.upper()}" for name in Settings.model_fields} | OTHER_NAMES


def _unknown_names() -> list[str]:
    """Names that begin as settings do and are none, in the environment or in `.env`."""
    given = {*os.environ, *(dotenv_values(ENV_FILE) if Path(ENV_FILE).is_file() else ())}
    upper = {name: name.upper() for name in given}
    known = _known_names()
    return sorted(
        name for name, one in upper.items() if one.startswith(PREFIX) and one not in known
    )


def _unknown(name: str) -> str:
    near = get_close_matches(name.upper(), _known_names(), 1)
    return f"{name} is no setting" + (f"; did you mean {near[0]}?" if near else "")
