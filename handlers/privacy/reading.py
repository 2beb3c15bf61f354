"""What people may know of their data: the notice, what is held, and a copy of it."""

from bot.copying import summary
from bot.documents import copies
from bot.messages import Attachment, Label, Reply, Request, Words
from bot.notices import notice_arguments
from bot.rights import anyone, elsewhere, owner
from bot.routing import Recipient, choice, command, notice
from handlers.people import do
from storage.deliveries import subject
from storage.exports import DataExport
from storage.store import Store

Choices = list[tuple[str, Label | str]]


@command("privacy", who=anyone)
def privacy(request: Request, store: Store) -> Reply:
    choices: Choices = [
        ("privacy.notice", "privacy.read_notice"),
        ("privacy.held", "privacy.see_held"),
        ("privacy.copy", "privacy.receive_copy"),
        ("privacy.rights", "privacy.see_rights"),
        ("privacy.erase", "privacy.erase"),
        do("menu"),
    ]
    return Reply("privacy.menu", platform=request.incoming.platform, choices=choices)


@choice("privacy.notice", who=anyone)
def read_notice(request: Request, store: Store) -> Reply:
    """The whole notice (GDPR, article 13)."""
    given = notice_arguments(request.settings, request.incoming.platform)
    return Reply("privacy.notice", choices=[do("privacy"), do("menu")], **given)


@choice("privacy.held", who=anyone)
def held(request: Request, store: Store) -> Reply:
    """All that is kept about this person, in words."""
    person = store.people.get(request.person)
    choices: Choices = [
        do("my_reports"),
        ("privacy.copy", "privacy.receive_copy"),
        ("privacy.erase", "privacy.erase"),
        do("menu"),
    ]
    known = summary(store, person, request.now)
    known["roles"] = [Words(f"people.role_{role}") for role in sorted(request.roles)]
    return Reply("privacy.held", choices=choices, **known)


@choice("privacy.copy", who=owner)
def copy(request: Request, store: Store) -> Reply:
    """Have a copy made; one that is there already is given again."""
    export = store.exports.ask(request.person, request.now)
    if store.exports.is_of_member(export) and not request.confidential:
        raise elsewhere(request)
    if export.made_at is None:
        return Reply("privacy.copy_asked", choices=[do("privacy"), do("menu")])
    return _given(export)


def _given(export: DataExport) -> Reply:
    wanted = (
        (export.page_id, "privacy.copy_page", copies.MEDIA_TYPE),
        (export.data_id, "privacy.copy_data", copies.DATA_TYPE),
    )
    files = [Attachment(one, Words(name), kind) for one, name, kind in wanted if one is not None]
    return Reply(
        "privacy.copy_made",
        files=files,
        choices=[do("privacy"), do("menu")],
        shows=subject("export", export.id),
    )


def _is_a_members(store: Store, export: int) -> bool:
    """Whether a copy says what is the committee's: its person has, or had, a role."""
    found = store.exports.get(export)
    return found is None or store.exports.is_of_member(found)


@notice("privacy.copy_made", reserved=_is_a_members)
def copy_made(recipient: Recipient, store: Store, export: int) -> Reply | None:
    found = store.exports.get(export)
    if found is None or found.made_at is None or found.person_id != recipient.person:
        return None
    return _given(found)
