"""What the database files hold in clear: no name, address, draft or unpublished text."""

from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from bot.settings import Settings
from storage.database import Database
from storage.grants import Role
from storage.keys import KeyRefused
from tests.people import report
from tests.stage import Stage

SECRETS = (
    "Zoulikha",
    "brouillon-confidentiel",
    "question-interne",
    "projet-secret",
    "raison-intime",
    "message-intime",
    "reponse-intime",
    "demande-intime",
    "Dupontel",
)


async def scenario(stage: Stage) -> list[str]:
    """Leave a trace of every kind; return what must not be found."""
    parent, secretary = await stage.newcomer(), await stage.invited(Role.secretariat)
    await report(
        parent, "Zoulikha nous a aidés toute la semaine avec les tablettes. " * 2, public=False
    )
    await parent.say("témoigner")
    await parent.say("brouillon-confidentiel " * 6)
    await parent.say("annuler")
    await parent.say("une phrase perdue sur brouillon-confidentiel")
    await secretary.say("modérer")
    await secretary.press("Lire le suivant")
    await secretary.press("Poser une question")
    await secretary.say("question-interne ?")
    await secretary.say("projet")
    await secretary.press("Entrer")
    await secretary.say("projet-secret")
    await secretary.say("projet-secret " * 10)
    await secretary.press("Le réseau")
    await secretary.press("Envoyer")
    await secretary.press("Mettre au vote")
    await secretary.press("Pour, avec réserve, contre")
    await secretary.press("Les membres, une voix")
    await secretary.say("12/01/2027")
    await secretary.press("Ouvrir le vote")
    await secretary.press("Aller au vote")
    await secretary.press("Pour")
    await secretary.press("Donner une raison")
    await secretary.say("raison-intime")
    await parent.say("secrétariat")
    await parent.press("Écrire autre chose")
    await parent.say("message-intime")
    await secretary.look()
    await secretary.press("Lire la conversation")
    await secretary.press("Répondre")
    await secretary.say("reponse-intime")
    await secretary.press("Envoyer la réponse")
    await parent.look()
    await parent.say("données")
    await parent.press("Corriger ou refuser")
    await parent.press("Faire une demande")
    await parent.press("Corriger une donnée")
    await parent.say("demande-intime de Mme Dupontel")
    await parent.press("Envoyer")
    await secretary.look()
    await secretary.press("Lire la demande")
    await parent.say("données")
    await parent.press("Recevoir une copie")
    await stage.advance(timedelta(seconds=1))
    addresses = await stage.db.read(
        lambda store: [
            account.address for person in (1, 2) for account in store.people.accounts_of(person)
        ]
    )
    return [*SECRETS, *addresses]


async def test_raw_files_hold_nothing_in_clear(
    stage: Stage, settings: Settings, tmp_path: Path
) -> None:
    secrets = await scenario(stage)
    raw = _raw(settings, tmp_path)
    assert len(raw) > 10_000
    found = [secret for secret in secrets if secret.encode() in raw]
    assert found == []


async def test_a_publication_that_is_undone_leaves_the_files(
    stage: Stage, settings: Settings, tmp_path: Path
) -> None:
    parent, secretary = await stage.newcomer(), await stage.invited(Role.secretariat)
    await report(parent, "Un girafon est venu toute la semaine avec les tablettes. " * 2)
    await secretary.say("modérer")
    for label in ("Lire le suivant", "Publier"):
        await secretary.press(label)
    assert b"girafon" in _raw(settings, tmp_path)
    await secretary.press("Annuler ma décision")
    assert b"girafon" not in _raw(settings, tmp_path)


def _raw(settings: Settings, folder: Path) -> bytes:
    if settings.database_url.startswith("sqlite"):
        return b"".join(path.read_bytes() for path in folder.glob("preau.db*"))
    return _dump(settings.database_url)


def _dump(url: str) -> bytes:
    """Every row of every table, as PostgreSQL stores it (bytea as bytes)."""
    parts: list[bytes] = []
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        ).fetchall()
        for (table,) in tables:
            with connection.cursor().copy(f"COPY {table} TO STDOUT (FORMAT binary)") as copy:
                parts += [bytes(block) for block in copy]
    return b"".join(parts)


async def test_erasure_leaves_nothing_but_the_ballot(stage: Stage) -> None:
    parent = await stage.guest()
    await report(parent)
    await parent.say("données")
    await parent.press("Tout effacer")
    await parent.say("effacer")
    assert await parent.status() == 403

    def left(store: object) -> dict[str, int]:
        from sqlalchemy import text

        tables = ("accounts", "chats", "conversations", "drafts", "deliveries", "reports", "files")
        session = store.session  # type: ignore[attr-defined]
        return {
            table: session.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
            for table in tables
        }

    assert set((await stage.db.read(left)).values()) == {0}


def test_another_secret_is_refused(settings: Settings, db: Database) -> None:
    other = Database(settings.database_url, ["another secret, as long as it has to be…"])
    with pytest.raises(KeyRefused):
        other.open()
    other.close()
