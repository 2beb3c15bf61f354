"""First contact, the menu, settings, and coming and going."""

from bot import routing
from bot.messages import Label, Refused, Reply, Request, Words
from bot.rights import anyone, member
from bot.routing import COMMANDS, Recipient, choice, command, notice
from bot.texts import LANGUAGES
from bot.wording import group_name
from handlers import scopes
from storage.grants import Role
from storage.groups import Belonging
from storage.people import Profile
from storage.store import Store

SHORT = 8  # choices of an ordinary menu
COMES_FOR = {
    Role.secretariat: ("review", "threads"),
    Role.reviewer: ("review",),
    Role.chair: ("meeting",),
    Role.administrator: ("members", "invite"),
    Role.rapporteur: ("meetings",),
    Role.delegate: ("polls",),
    Role.substitute: ("polls",),
}
# What the help says besides, to those who may.
HELPED = ("hand_over", "review", "members", "audit", "export", "data_requests", "limits")
# What the secretariat does.
WORK = ("review", "threads", "draft", "poll", "meeting", "broadcast", "invite", "members")


def _command(text: str) -> str:
    if text not in COMMANDS:
        raise ValueError(text)
    return text


def do(name: str, label: Label | str | None = None) -> tuple[str, Label | str]:
    """The choice that does what a command does."""
    return f"people.do:{name}", label or f"people.do_{name}"


@choice("people.do", _command, who=anyone)
def do_command(request: Request, store: Store, name: str) -> routing.Answer:
    return routing.obey(name, request, store)


@command("start", who=anyone)
def start(request: Request, store: Store) -> Reply:
    choices: list[tuple[str, Label | str]] = [do("report"), do("menu")]
    others = [language for language in LANGUAGES if language != request.context.language]
    choices += [(f"people.language:{one}", f"people.language_{one}") for one in others]
    return Reply("people.start", platform=request.incoming.platform, choices=choices)


@command("menu", who=anyone)
def menu(request: Request, store: Store) -> Reply:
    """What may be done, beginning with what was left unfinished.

    The secretariat's is about its work; one line opens what everybody may do.
    """
    if Role.secretariat in request.roles:
        asked = ["data_requests"] if store.data_requests.count_waiting() else []
        choices = [*map(do, [*asked, *WORK]), ("people.mine", "people.mine")]
    else:
        reads = ["review"] if Role.reviewer in request.roles else []
        manages = ["invite", "members"] if Role.administrator in request.roles else []
        names = [*reads, *manages, *_personal(request, store), "help"]
        if len(names) < SHORT:  # it is in the help too
            names.append("write")
        choices = [do(name) for name in names]
    if store.conversations.draft(request.person, "report") is not None:
        choices.insert(0, ("form.resume:report", "people.go_on"))
    return Reply("people.menu", choices=choices)


@choice("people.mine", who=anyone)
def mine(request: Request, store: Store) -> Reply:
    """What the secretariat may do as everybody does."""
    return Reply("people.menu", choices=[*map(do, _personal(request, store)), do("menu")])


def _personal(request: Request, store: Store) -> list[str]:
    meetings = _meetings(request, store)
    names = ["report", "my_reports", "polls", *meetings, "groups", "settings", "privacy"]
    return [name for name in names if COMMANDS[name].who(request)]


def _meetings(request: Request, store: Store) -> list[str]:
    """What meetings there are to see, and to call; the secretariat calls them at its work."""
    if Role.secretariat in request.roles:
        return ["meetings"]
    if Role.chair in request.roles:
        return ["meetings", "meeting"]
    belongs = Belonging.member in store.groups.of_person(request.person).values()
    return ["meetings"] if belongs else []


@choice("people.menu", who=anyone)
def see_menu(request: Request, store: Store) -> Reply:
    return menu(request, store)


@command("help", who=anyone)
def help_(request: Request, store: Store) -> Reply:
    """The words to type; who has a role also reads, and may press, those of their own."""
    more = [] if request.in_group else [one for one in HELPED if COMMANDS[one].who(request)]
    choices = [*map(do, more or ["report", "write"]), do("menu")]
    return Reply("people.help", platform=request.incoming.platform, more=more, choices=choices)


@command("thanks", who=anyone)
def thanks(request: Request, store: Store) -> Reply:
    """A kind word; what was kept is still offered."""
    kept = request.context.kept is not None
    choices = [("reports.tell_kept", "people.tell_kept")] if kept else []
    return Reply("people.thanks", kept=kept, choices=[*choices, do("menu")])


@choice("people.forget_kept", who=anyone)
def forget_kept(request: Request, store: Store) -> Reply:
    """Forget what was said outside any form."""
    request.context.kept = None
    return Reply("people.kept_forgotten", choices=[do("report"), do("menu")])


@command("cancel", who=anyone)
@command("back", who=anyone)
@command("skip", who=anyone)
def nothing_open(request: Request, store: Store) -> Reply:
    """Inside a form these words move in it; outside there is nothing to move in."""
    return Reply("people.nothing_open", choices=[do("menu")])


@command("settings", who=anyone)
def settings(request: Request, store: Store) -> Reply:
    choices: list[tuple[str, Label | str]] = [
        (f"people.language:{language}", f"people.language_{language}") for language in LANGUAGES
    ]
    choices.append(("broadcasts.kinds", "broadcasts.choose_kinds"))
    choices.append(("linking.accounts", "linking.see_accounts"))
    if Role.delegate in request.roles:
        choices.append(("handovers.manage", "handovers.manage"))
    if _may_return(request, store):
        choices.append(("people.new_code", "people.new_code"))
    return Reply("people.settings", choices=choices)


def _language(text: str) -> str:
    if text not in LANGUAGES:
        raise ValueError(text)
    return text


@choice("people.language", _language, who=anyone)
def choose_language(request: Request, store: Store, language: str) -> Reply:
    store.people.get(request.person).language = language
    request.context.language = language
    return Reply(
        "people.language_chosen",
        platform=request.incoming.platform,
        choices=[do("report"), do("menu")],
    )


@choice("people.new_code", who=anyone)
def new_code(request: Request, store: Store) -> Reply:
    """Show a new return code; the one before stops working."""
    if not _may_return(request, store):
        raise Refused("people.no_code", choices=[do("menu")])
    code = store.sessions.new_return_code(request.context.account_id, request.now)
    return Reply("people.return_code", code=code, choices=[do("menu")])


@choice("people.returned", who=anyone)
def returned(request: Request, store: Store) -> list[Reply]:
    """Somebody came back with their code, which is thereby used up."""
    if not request.incoming.opens:  # it is no button
        raise Refused("people.stale_choice")
    code = store.sessions.new_return_code(request.context.account_id, request.now)
    choices = [do("my_reports"), do("menu")]
    return [Reply("people.returned"), Reply("people.return_code", code=code, choices=choices)]


def _may_return(request: Request, store: Store) -> bool:
    """Whether a code may bring this person back: on the web, and to no role."""
    return request.incoming.session_id is not None and not request.held


def first_code(request: Request, store: Store) -> list[Reply]:
    """The code by which somebody without a role comes back for an answer, said once."""
    if not _may_return(request, store):
        return []
    code = store.sessions.first_return_code(request.context.account_id, request.now)
    return [] if code is None else [Reply("people.return_code", code=code)]


@choice("people.invited", who=member)
def invited(request: Request, store: Store) -> Reply:
    """Somebody redeemed an invitation."""
    person = store.people.get(request.person)
    person.profile = person.profile or Profile.member
    names = store.organisations.names(request.now.date())
    mandates = store.organisations.mandates_of(request.person, request.now)
    organisations = [names.get(mandate.organisation_id, "") for mandate in mandates]
    return Reply(
        "people.invited",
        roles=[_role(role, request, store) for role in sorted(request.roles)],
        organisations=organisations,
        closes=request.incoming.session_id is not None or request.incoming.opens,
        choices=_comes_for(request, store, named=person.name is not None),
    )


def _role(role: Role, request: Request, store: Store) -> Label:
    """A role by its name; of a reviewer, also what they read if that is not everything."""
    name = Words(f"people.role_{role}")
    reach = store.grants.reach_of(request.person, request.now)
    reads = scopes.read_by(reach) if role is Role.reviewer else []
    return Words("people.role_on", {"role": name, "of": reads}) if reads else name


def _comes_for(request: Request, store: Store, *, named: bool) -> list[tuple[str, Label | str]]:
    """What somebody comes in for: what their roles do, their group, their name, and the menu."""
    names = [name for role, does in COMES_FOR.items() if role in request.roles for name in does]
    choices = [do(name) for name in dict.fromkeys(names or ["polls"])]
    standing = store.groups.of_person(request.person)
    belongs = [one for one in store.groups.all_open() if standing.get(one.id) is Belonging.member]
    if len(belongs) == 1:
        group = Words("people.my_group", {"group": group_name(belongs[0])})
        choices.append((f"groups.show:{belongs[0].id}", group))
    elif belongs:
        choices.append(do("groups"))
    if not named:
        choices.append(("privacy.rename", "people.say_name"))
    return [*choices, do("menu")]


@notice("people.opened_up", reserved=False)
def opened_up(recipient: Recipient, store: Store) -> Reply:
    """Why nothing is answered any more in what was a direct chat: others are there, who read it."""
    return Reply("people.opened_up", to_all=True)


@command("leave", who=anyone)
def leave(request: Request, store: Store) -> Reply:
    """Clear a shared phone. How to come back is said first, so that nothing is lost."""
    if request.incoming.session_id is None:
        return Reply("people.leave_elsewhere")
    code = None
    if _may_return(request, store):
        code = store.sessions.new_return_code(request.context.account_id, request.now)
    choices = [("people.leave_now", "people.leave_now"), ("people.menu", "people.stay")]
    return Reply("people.leave", code=code, choices=choices)


@choice("people.leave_now", who=anyone)
def leave_now(request: Request, store: Store) -> Reply:
    if request.incoming.session_id is not None:
        store.sessions.end_by_id(request.incoming.session_id)
    return Reply(acknowledge="people.left", leaves=True)
