"""Who may do what, as declared: the tables of docs/rights.md, written and read.

`python -m tests.rights` writes the file. It is looked at whenever a right changes, and
tests/test_rights.py has everybody try everything that stands in it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pydantic import SecretStr

import bot.forms.buttons  # noqa: F401 (declares what their buttons do)
import handlers  # noqa: F401 (declares every command)
from bot import rights, routing
from bot.platforms.telegram.platform import Telegram
from bot.platforms.web.demo import Demo
from bot.platforms.web.platform import WebChat
from bot.platforms.web.routes import WebRoute
from bot.rights import Right
from bot.settings import Settings
from storage.grants import Role

FILE = Path(__file__).parents[1] / "docs" / "rights.md"
CONTRIBUTOR = "contributor"
ROLES = (
    CONTRIBUTOR,
    *map(str, (Role.member, Role.delegate, Role.substitute, Role.chair, Role.rapporteur)),
    *map(str, (Role.reviewer, Role.secretariat, Role.administrator)),
)
YES, OWN, NO = "✓", "◐", "–"
EVERYWHERE, COUNTS = "everywhere", "where roles count"
MEMBERS = "members where roles count"  # and who is none, everywhere
SECRET = "a-secret-of-the-table"  # which Telegram would send
KINDS = ("command", "choice", "link", "form")

INTRODUCTION = f"""# Rights

Who may do what, in tables. `python -m tests.rights` writes this file from what is declared beside
each command, choice, link, form and route; it is never edited by hand. A right that is new or
changed fails `make test` until this file changes with it, in the open. `tests/test_rights.py` has
every role try every line, on every platform and in both profiles, and compares.

- {YES}: they may. {OWN}: they may where it is theirs: see "checked besides". {NO}: they may not.
- *{EVERYWHERE}*: on every platform, signed in or not.
- *{COUNTS}*: on Matrix, signed in on the page, and on Telegram; **in the strict profile
  (`PREAU_CHANNELS`) not on Telegram**. Elsewhere a member is a contributor, and is told where.
- *{MEMBERS}*: others everywhere.
- *groups*: it may be used among others, in a chat group, by whoever may.
- Who holds several roles may do what any of them allows.

Why so: [0026](decisions/0026-rights.md).
"""


@dataclass(frozen=True)
class Row:
    """One thing that people do: who may, and where.

    Attributes:
        may: by role, one of `YES`, `OWN` and `NO`.
        open, strict: where, in each profile.
    """

    kind: str
    name: str
    right: str
    may: dict[str, str]
    open: str
    strict: str
    groups: str

    @property
    def cells(self) -> list[str]:
        may = [self.may[role] for role in ROLES]
        return [f"`{self.name}`", self.right, *may, self.open, self.strict, self.groups]


def declared() -> list[Row]:
    """Everything that people do, as it is declared."""
    routes = {
        "command": routing.COMMANDS,
        "choice": routing.CHOICES,
        "link": routing.LINKS,
    }
    rows = [
        _row(kind, name, route.who, in_groups=route.in_groups)
        for kind, known in routes.items()
        for name, route in sorted(known.items())
    ]
    return rows + [_row("form", name, form.who) for name, form in sorted(routing.FORMS.items())]


def _row(kind: str, name: str, right: Right, *, in_groups: bool = False) -> Row:
    where_open = EVERYWHERE if right.roles is None else COUNTS
    where_strict = COUNTS if right.reserved else MEMBERS if right.discreet else where_open
    may = {role: _may(right, role) for role in ROLES}
    groups = YES if in_groups else NO
    return Row(kind, name, right.name, may, where_open, where_strict, groups)


def _may(right: Right, role: str) -> str:
    if right.roles is not None and role not in right.roles:
        return NO
    return OWN if right.of else YES


def served() -> list[WebRoute]:
    """Every route of our HTTP server, with all that can be turned on."""
    settings = Settings(
        telegram_token=SecretStr("1:rights"),
        telegram_webhook_url="https://preau.example.org",
        telegram_webhook_secret=SecretStr(SECRET),
    )
    nothing = cast(Any, None)
    demo = Demo(settings, {}, nothing)
    posted_to = Telegram(settings, nothing, nothing).routes()
    return WebChat(settings, nothing, nothing, demo, posted_to).routes(nothing)


def shown_path(path: str) -> str:
    """A route's path; that of the webhook is made of the token."""
    return "/telegram/{id}" if path.startswith("/telegram/") else path


def written() -> str:
    """The file, as it is to be."""
    known = [one for one in vars(rights).values() if isinstance(one, Right)]
    parts = [INTRODUCTION, "## Rights\n", _table(("Right", "Checked besides"), map(_about, known))]
    head = ("Name", "Right", *ROLES, "Open", "Strict", "Groups")
    for kind in KINDS:
        rows = [one.cells for one in declared() if one.kind == kind]
        parts += [
            f"\n## {'Choices' if kind == 'choice' else f'{kind.capitalize()}s'}\n",
            _table(head, rows),
        ]
    parts += ["\n## Notices\n", NOTICES, _table(("Notice", "Reserved"), _notices())]
    routes = [[f"`{one.method} {shown_path(one.path)}`", str(one.who)] for one in served()]
    parts += ["\n## Routes\n", ROUTES, _table(("Route", "Who may call it"), sorted(routes))]
    return "\n".join(parts) + "\n"


NOTICES = """What is said unasked. What is reserved is the committee's: in the strict profile it is
sent only where roles count.
"""
ROUTES = """In a demo on a network every route but the health ones asks for the demo's key as well.
"""


def _about(right: Right) -> list[str]:
    return [right.name, right.of or NO]


def _notices() -> Iterator[list[str]]:
    for name, reserved in sorted(routing.RESERVED.items()):
        depends = "it depends on what it is about"
        yield [f"`{name}`", depends if callable(reserved) else YES if reserved else NO]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def reviewed() -> tuple[list[Row], dict[str, str]]:
    """What the file says: the rows of what people do, and who may call each route."""
    rows: list[Row] = []
    routes: dict[str, str] = {}
    section = ""
    for line in FILE.read_text("utf-8").splitlines():
        section = line.removeprefix("## ") if line.startswith("## ") else section
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("| `"):
            continue
        name = cells[0].strip("`")
        kind = section.lower().removesuffix("s")
        if kind in KINDS:
            may = dict(zip(ROLES, cells[2 : 2 + len(ROLES)], strict=True))
            rows.append(Row(kind, name, cells[1], may, *cells[2 + len(ROLES) :]))
        elif section == "Routes":
            routes[name] = cells[1]
    return rows, routes


if __name__ == "__main__":
    FILE.write_text(written(), "utf-8")
