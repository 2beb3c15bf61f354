"""The command that has another secret open the database's keys."""

from typing import Annotated

import typer

from bot.cli import Failed, opened
from bot.clock import Clock
from bot.settings import load
from storage.audit import BY_COMMAND_LINE
from storage.keys import TooManyKeys
from storage.store import Store


def rotate_key(
    new_data_key: Annotated[
        bool,
        typer.Option("--new-data-key", help="Encrypt by another key what is written from now on."),
    ] = False,
) -> None:
    """Have SECRET_KEY alone open the keys; the earlier secret is in PREVIOUS_SECRET_KEYS."""
    settings = load()
    secrets = settings.secrets()
    now = Clock().now()

    def rotate(store: Store) -> tuple[int, int | None]:
        rewrapped = store.keys.rewrap(secrets)
        version = store.keys.add_data_key(secrets[0]) if new_data_key else None
        if rewrapped or version:
            store.audit.add("keys.rotated", now, via=BY_COMMAND_LINE)
            store.erased = True  # what the earlier secret opens is not to stay in the log
        return rewrapped, version

    with opened(settings) as database:
        try:
            rewrapped, version = database.write_now(rotate)
        except TooManyKeys as error:
            raise Failed(str(error)) from None
    if rewrapped:
        print(f"rotated: {rewrapped} keys, which SECRET_KEY alone opens from now on")
    else:
        print("nothing to rotate: SECRET_KEY opens every key")
    if version is not None:
        print(f"made: data key {version}; who runs uses it within a minute")
