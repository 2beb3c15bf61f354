"""What an operator sets: the environment or `.env`, each name prefixed with `PREAU_`."""

import os
import secrets
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class SettingsRefused(Exception):
    """A setting that cannot be used; the message is one line for the operator."""


class Channels(StrEnum):
    """What may happen where: everything everywhere, or the strict profile of administrations."""

    open = "open"
    strict = "strict"


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("not a time zone of the tz database, such as Europe/Paris")
    return name


class Settings(BaseSettings):
    """Every field's description is what `preau doctor` says of it."""

    model_config = SettingsConfigDict(env_prefix="PREAU_", env_file=".env", extra="ignore")

    database_url: str = Field("sqlite:///preau.db", description="sqlite:///path or postgresql://…")
    secret_key: SecretStr | None = Field(
        None, description="secret that opens the database's keys; at least 32 characters"
    )
    secret_key_file: Path | None = Field(None, description="file that holds SECRET_KEY instead")
    previous_secret_keys: list[SecretStr] = Field(
        default_factory=list, description="earlier secrets, while keys are being rotated (JSON)"
    )
    data_dir: Path = Field(Path("data"), description="folder of what is kept beside the database")
    language: str = Field("fr", description="language of people who have not chosen one")
    timezone: Annotated[str, AfterValidator(_known_zone)] = Field(
        "Europe/Paris", description="time zone in which times are said"
    )
    public_url: str | None = Field(None, description="address at which people reach the web chat")
    trusted_proxies: list[str] = Field(
        default_factory=list, description="addresses whose X-Forwarded-For is believed (JSON)"
    )
    controller: str | None = Field(None, description="who answers for the data (GDPR article 13)")
    dpo_contact: str | None = Field(None, description="how to reach the data protection officer")
    channels: Channels = Field(Channels.open, description="open, or strict for administrations")
    web_host: str = Field("127.0.0.1", description="address on which the web chat listens")
    web_port: int = Field(8080, ge=0, le=65535, description="port on which the web chat listens")
    web_chat: bool = Field(True, description="whether the web chat is served")
    metrics_token: SecretStr | None = Field(None, description="token that opens /metrics")

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @property
    def collects(self) -> bool:
        """Whether it is said who answers for the data: nothing is collected before."""
        return bool(self.controller and self.dpo_contact)

    def secrets(self) -> list[str]:
        """The secret in force, then earlier ones.

        Raises:
            SettingsRefused: there is none, or it is too short, or its file cannot be read.
        """
        if self.secret_key is not None:
            current = self.secret_key.get_secret_value()
        elif self.secret_key_file is not None:
            try:
                current = self.secret_key_file.read_text().strip()
            except OSError as error:
                raise SettingsRefused(f"PREAU_SECRET_KEY_FILE: {error.strerror}") from error
        else:
            raise SettingsRefused(
                "set PREAU_SECRET_KEY or PREAU_SECRET_KEY_FILE "
                "(make one with: openssl rand -base64 48)"
            )
        if len(current) < 32:
            raise SettingsRefused("PREAU_SECRET_KEY is too short: 32 characters at least")
        return [current, *(key.get_secret_value() for key in self.previous_secret_keys)]


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
