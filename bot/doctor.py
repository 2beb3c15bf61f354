"""What an operator wants to know at 3 a.m.: each setting, and whether `run` would work."""

from dataclasses import dataclass

from pydantic import SecretStr
from sqlalchemy.exc import SQLAlchemyError

from bot.settings import Settings, SettingsRefused
from storage import migrate
from storage.database import Database, NotMigrated
from storage.keys import KeyRefused


@dataclass(frozen=True)
class Findings:
    text: str
    well: bool


def examine() -> Findings:
    """Look at the settings and the database; change nothing."""
    settings = Settings()
    lines = ["Settings (PREAU_…):"]
    for name, field in Settings.model_fields.items():
        shown = _shown(getattr(settings, name))
        lines.append(f"  {name.upper():22} {shown:28} {field.description}")
    problems = _problems(settings)
    lines.append("")
    lines += [f"PROBLEM  {problem}" for problem in problems] or ["All is well."]
    if not settings.collects:
        lines.append("NOTE     nothing is collected until CONTROLLER and DPO_CONTACT are set")
    return Findings("\n".join(lines), well=not problems)


def _shown(value: object) -> str:
    """A setting's value; a secret is only said to be there, and an address hides its password."""
    if isinstance(value, SecretStr):
        return "(set)"
    if isinstance(value, list) and value and isinstance(value[0], SecretStr):
        return f"({len(value)} set)"
    if value is None or value == []:
        return "-"
    text = str(value)
    if "://" in text and "@" in text:
        scheme, _, rest = text.partition("://")
        return f"{scheme}://…@{rest.rpartition('@')[2]}"
    return text


def _problems(settings: Settings) -> list[str]:
    try:
        secrets = settings.secrets()
    except SettingsRefused as refused:
        return [str(refused)]
    database = Database(settings.database_url, secrets)
    try:
        if not migrate.is_current(database.engine):
            return ["the database is not at this version: run `preau migrate`"]
        database.open()
    except NotMigrated:
        return ["the database has no tables: run `preau migrate`"]
    except KeyRefused:
        return ["SECRET_KEY does not open this database"]
    except SQLAlchemyError as error:
        cause = str(error.__cause__ or error).strip().splitlines()
        return [f"the database does not answer: {cause[0] if cause else error}"]
    finally:
        database.close()
    return []
