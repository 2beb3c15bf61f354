"""Numbers by which a person and the log speak of the same failure."""

import secrets

from storage.sessions import ALPHABET


def new_reference() -> str:
    """A short number by which the person and the log speak of the same failure."""
    return "".join(secrets.choice(ALPHABET) for _ in range(6))
