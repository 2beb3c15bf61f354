"""The command that writes what a controller needs: the register entry and the notice.

Both are made of what the program declares: its tables and encrypted columns, the rules of
retention, and the settings. What it cannot know is left to be filled in.
"""

import re
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import Table

from bot.cli import Failed
from bot.documents.notice import parts_of
from bot.documents.register import CATEGORIES
from bot.markup import as_plain
from bot.notices import full_notice_arguments, platforms
from bot.rendering import texts_for
from bot.retention import RULES
from bot.settings import Settings, load
from bot.texts import SOURCE, Texts
from storage.base import Base

REGISTER, NOTICE = "registre.md", "notice.md"
_SIGNS = re.compile(r"[\\`*_\[\]<>|~#&]")  # of Markdown, anywhere in a line
_BEGINS = re.compile(r"^(\d*)([-+.)])")  # at its beginning


def documents(
    folder: Annotated[Path, typer.Argument(help="Where to write them.")] = Path(),
) -> None:
    """Write the register entry (GDPR, article 30) and the notice (article 13), in French."""
    settings = load()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Failed(f"{error.strerror}: {folder}") from None
    for name, text in ((REGISTER, register(settings)), (NOTICE, notice(settings))):
        try:
            (folder / name).write_text(text, "utf-8")
        except OSError as error:
            raise Failed(f"{error.strerror}: {folder / name}") from None
        print(folder / name)


def notice(settings: Settings) -> str:
    """The notice, as Markdown."""
    texts = texts_for(SOURCE, settings.zone)
    given = full_notice_arguments(settings)
    given |= {name: _escaped(given[name]) for name in ("controller", "contact", "page")}
    markup = texts.markup("privacy.notice", given)
    lines = [f"# {texts.plain('privacy.page_title')}"]
    for part in parts_of(markup):
        lines += ["", f"## {as_plain(part.title)}", ""]
        lines += [f"- {as_plain(line)}" for line in part.lines]
    return "\n".join(lines) + "\n"


def register(settings: Settings) -> str:
    """The register entry, as Markdown."""
    texts = texts_for(SOURCE, settings.zone)

    def say(name: str, **given: Any) -> str:
        return texts.plain(f"documents.{name}", given)

    lines = [f"# {say('title')}", "", say("made_by"), ""]
    given = {"controller": _escaped(settings.controller), "contact": _escaped(settings.dpo_contact)}
    for name in ("who", "purposes", "basis", "people", "recipients"):
        lines += [f"## {say(f'{name}_title')}", "", say(name, **given if name == "who" else {}), ""]
    lines += [f"## {say('transfers_title')}", ""]
    lines += [f"- {say(f'transfers_{name}')}" for name in platforms(settings)]
    lines += ["", f"## {say('data_title')}", ""]
    lines += [_category(name, say) for name in CATEGORIES]
    lines += ["", f"## {say('periods_title')}", "", say("periods_head"), "|---|---|---|"]
    lines += [_period(rule.name, rule.after.days, texts) for rule in RULES]
    lines += ["", say("periods_kept"), "", f"## {say('security_title')}", ""]
    lines += [f"- {say(f'security_{name}')}" for name in SECURITY]
    lines += ["", f"## {say('rights_title')}", "", say("rights"), ""]
    lines += [f"## {say('left_title')}", "", say("left")]
    return "\n".join(lines) + "\n"


SECURITY = ("encryption", "hashes", "roles", "log", "erasures", "copies", "files")


def _escaped(setting: str | None) -> str | None:
    """What an operator wrote, as Markdown that says just that, on one line."""
    if setting is None:
        return None
    return _BEGINS.sub(r"\1\\\2", _SIGNS.sub(r"\\\g<0>", " ".join(setting.split())))


def _category(name: str, say: Any) -> str:
    """A kind of data: what it is, and which of its columns are encrypted."""
    tables = [Base.metadata.tables[one] for one in CATEGORIES[name]]
    secret = [column for table in tables for column in _encrypted(table)]
    columns = ", ".join(f"`{one}`" for one in secret) or say("nothing")
    return f"- **{say(f'{name}_name')}** : {say(f'{name}_what')} {say('encrypted')} {columns}."


def _encrypted(table: Table) -> list[str]:
    return [
        f"{table.name}.{column.name}" for column in table.columns if hasattr(column.type, "context")
    ]


def _period(name: str, days: int, texts: Texts) -> str:
    what, since, why = (texts.plain(f"retention.{name}_{one}") for one in ("what", "since", "why"))
    period = texts.plain("retention.period", {"days": days})
    return f"| {what} | {period} {since} | {why} |"
