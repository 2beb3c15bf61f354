"""One update of one conversation: the open form, a command, a choice, a number, or free words."""

from collections.abc import Callable

from bot import routing
from bot.among import among
from bot.answering import REPLY
from bot.attachments import FileKind
from bot.choosing import awaited, is_number, offered_in, one_of, pointed_at, said_of_last
from bot.forms import Given, Open
from bot.forms.buttons import open_form
from bot.forms.filling import Filling
from bot.markup import beginning, clean
from bot.messages import Label, Refused, Reply, Request, Said, Words
from bot.rendering import texts_for
from bot.restricting import check_act, check_ban
from bot.routing import FORMS, form_action
from bot.texts import LANGUAGES
from storage.conversations import Context
from storage.limits import RestrictionKind
from storage.reports import ReportState
from storage.store import Store

NAVIGATION = ("cancel", "back", "skip", "help")
ALWAYS = (*NAVIGATION, "stop")  # heeded in the middle of a form, whatever it asks
COURTESIES = ("start", "thanks")  # words that leave no form
BEGINNING = "people.start"  # which says all that a newcomer has to know
STRAY = "people.stray_"  # messages about a file that could go with a report
AT_MOST_KEPT = 10_000  # characters
AT_MOST_ASKED = 3  # reports that a message is offered to answer
AT_MOST_MEANT = 2  # words that may be a mistyped command, whatever was said before


def converse(request: Request, store: Store) -> list[Reply]:
    """Answer one update; the conversation's pointers change with it."""
    return among(request, store) if request.in_group else _in_private(request, store)


def _in_private(request: Request, store: Store) -> list[Reply]:
    incoming = request.incoming
    if incoming.joined:
        return _replies(routing.obey("start", request, store), request, store)
    if incoming.choice is not None:
        return _replies(routing.act(incoming.choice, request, store), request, store)
    if incoming.edits is not None:
        return _replies(_edited(incoming.edits, request, store), request, store)
    if incoming.withdraws is not None:
        return _replies(_withdrawn(incoming.withdraws, request, store), request, store)
    if _is_new(request, store):
        return _welcomed(request, store)
    return _said(request, store)


def _said(request: Request, store: Store) -> list[Reply]:
    """What somebody said in words or files."""
    link = routing.link_in(request.text)
    if link is not None:
        return _replies(_follow(link, request, store), request, store)
    pointed = pointed_at(request, store)
    if pointed is not None:
        return _replies(routing.act(pointed, request, store), request, store)
    name, marked = routing.command_in(request.text)
    if name is not None and (marked or request.context.form is None or name in ALWAYS):
        return _replies(_command(name, request, store), request, store)
    if request.context.form is not None:
        return _replies(_answer(name, request, store), request, store)
    return _replies(_unasked(request, store), request, store)


def _is_new(request: Request, store: Store) -> bool:
    """Whether nothing was ever said to this person here."""
    context = request.context
    is_silent = not (context.recent or context.form or context.kept or context.awaiting)
    return is_silent and not store.deliveries.has_any(context.chat_id)


def _welcomed(request: Request, store: Store) -> list[Reply]:
    """Who comes for something of their own is first told whom they talk to, and what is kept."""
    try:
        replies = _said(request, store)
    except Refused as refused:  # before anything was done but keeping the files
        store.files.drop(list(request.files))
        replies = [refused.reply]
    if any(one.words is not None and one.words.name == BEGINNING for one in replies):
        return replies
    others = [one for one in LANGUAGES if one != request.context.language]
    choices = [(f"people.language:{one}", f"people.language_{one}") for one in others]
    notice = Reply("people.first_notice", platform=request.incoming.platform, choices=choices)
    return [notice, *replies]


def _edited(message: str, request: Request, store: Store) -> routing.Answer:
    """An earlier message was edited: it counts in a draft, and in what is kept outside any form.

    Matrix does not say in which thread it stands, so that its form may be open in another.
    """
    check_ban(request, store)
    drafts = [draft.form for draft in store.conversations.drafts_of(request.person)]
    for key in sorted(drafts, key=lambda one: one != request.context.form):
        filling = Filling.open_in(request, store, key)
        if filling is None or not filling.form.who(request):
            continue
        answer = filling.revise(message, request.text)
        if answer is not None:
            return answer
    said = clean(request.text)
    there = store.conversations.revise(request.context, message, said) if said else None
    if there is not None:
        return _kept_anew(there, request, store)
    return _still_counts(message, request.text, request, store)


def _kept_anew(there: Context, request: Request, store: Store) -> Reply:
    """What is kept in some conversation of theirs was changed where it was said."""
    kept = there.kept or ""
    if len(kept) > AT_MOST_KEPT:
        raise Refused("forms.too_long", length=len(kept), at_most=AT_MOST_KEPT)
    if there is not request.context or there.form is not None:
        return Reply("people.kept_changed")
    choices = _ways_on(request, store)
    choices.insert(-1, ("people.forget_kept", "people.forget_kept"))
    return Reply("people.stray", beginning=beginning(kept), choices=choices)


def _still_counts(message: str, words: str | None, request: Request, store: Store) -> Reply | None:
    """A message that was sent on was edited, or taken back: what was made of it stays."""
    noun = store.counted.changed(request.person, message, words, request.now)
    return Reply("people.still_counts", noun=noun) if noun else None


def _withdrawn(message: str, request: Request, store: Store) -> routing.Answer:
    """An earlier message was taken back: it leaves all that is kept, and is asked for if open."""
    again, is_done = None, store.conversations.withdraw(request.context, message)
    if is_done:
        store.erased = True
    for key in [draft.form for draft in store.conversations.drafts_of(request.person)]:
        filling = Filling.open_in(request, store, key)
        if filling is None or not filling.withdraw(message):
            continue
        is_done = True
        if key == request.context.form and filling.form.who(request):
            again = filling.ask()
    return again if is_done else _still_counts(message, None, request, store)


def _follow(link: str, request: Request, store: Store) -> routing.Answer:
    """What somebody came for by a link."""
    return _leaving(
        Filling.open_in(request, store), lambda: routing.follow(link, request, store), request
    )


def chosen_in(request: Request, store: Store) -> str | None:
    """The action that was chosen, if nothing else needs to be looked at: a press, or a number."""
    incoming = request.incoming
    if incoming.choice is not None:
        return incoming.choice
    is_changed = incoming.edits is not None or incoming.withdraws is not None
    if request.in_group or incoming.joined or is_changed or not is_number(request.text):
        return None
    return pointed_at(request, store)


def problem_with(kind: FileKind, key: str | None) -> str | None:
    """The message that says why the form that is open, if any, takes no file of a kind."""
    form = FORMS.get(key.partition(".")[0]) if key else None
    field = form.photos if form else None
    if form is None:
        return "people.stray_voice" if kind is FileKind.voice else "people.stray_photo"
    if kind is FileKind.voice and not (field and field.voices):
        return "forms.no_voice"
    if field is None:
        return "forms.no_photo"
    if kind is FileKind.document and not field.documents:
        return "reports.photo_not_a_photo"
    return None


def _command(name: str, request: Request, store: Store) -> routing.Answer:
    filling = Filling.open_in(request, store)
    if filling is not None and name in NAVIGATION:
        return filling.navigate(name)
    return _leaving(filling, lambda: routing.obey(name, request, store), request)


def _leaving(
    filling: Filling | None, do: Callable[[], routing.Answer], request: Request
) -> routing.Answer:
    """Do something else than the form that is open, if any: its draft stays, which is said."""
    request.context.form = None
    answer = do()
    if filling is None or not isinstance(answer, Reply):
        return answer
    if filling.form.is_blank(filling.state):
        filling.drop()
        return answer
    choices = [(form_action("resume", filling.key), "forms.resume")]
    return [Reply("forms.left", form=filling.title, choices=choices), answer]


def _answer(command: str | None, request: Request, store: Store) -> routing.Answer:
    """An answer to the open form; `command` is the one that its words name, if any.

    What can be taken as the answer is the answer; else a command's word leaves the form, unless
    the question is open to any words.
    """
    filling = Filling.open_in(request, store)
    if filling is None:  # its draft went meanwhile, or its form is no longer known
        request.context.form = None
        return _unasked(request, store)
    try:
        check_act("", filling.form.noun, request, store)
        filling.form.who.check(request)
    except Refused as refused:  # a role has ended, or it is banned: the draft waits
        request.context.form = None
        return refused.reply if command is None else routing.obey(command, request, store)
    if request.files or request.incoming.problem:
        problem = filling.take_files()
        if not request.text:
            return filling.ask(problem)
        filling.note = problem.words if problem else filling.note
    typed, asked, action = request.text, filling.asked, None
    if is_number(typed) and not typed.startswith("0"):
        action = _in_between(typed, filling, store) or filling.at(typed)
    action = action or filling.named(typed)
    if action is None and not (asked is not None and asked.free) and not filling.takes(typed):
        if command is not None and _leaves(command, request):
            return _command(command, request, store)
        action = filling.named(typed, loosely=True)
        if action is None and filling.goes_on(typed):
            return filling.go_on(typed)
    return routing.act(action, request, store) if action else filling.take(Given(text=typed))


def _in_between(digits: str, filling: Filling, store: Store) -> str | None:
    """The action that a number chooses in what was answered since the form last asked anything."""
    request, position = filling.request, int(digits[:6]) - 1
    replies = [entry for entry in request.context.awaiting if entry[1] == REPLY]
    asked = [action for action, _ in (*filling.offered, *filling.ways)]
    for _, actions in offered_in(replies[-1:], request, store):
        offered = [action for action, _ in actions]
        if offered != asked and position < len(offered):
            return offered[position]
    return None


def _leaves(command: str, request: Request) -> bool:
    return command not in COURTESIES and routing.COMMANDS[command].who(request)


def _unasked(request: Request, store: Store) -> routing.Answer:
    """What is said where no form is open."""
    named = routing.reference_in(request.text)
    if named is not None:
        return routing.follow(named, request, store)
    if is_number(request.text):
        return _numbered(request, store)
    if request.files or request.incoming.problem:
        return _stray_file(request, store)
    fitting, is_meant = said_of_last(request, store)
    if fitting:
        return one_of(fitting, request, store, is_meant=is_meant)
    return _stray(request, store)


def _stray_file(request: Request, store: Store) -> routing.Answer:
    """A file that no form asked for is not kept; what was said with it is."""
    check_ban(request, store)
    stray = "people.stray_voice" if request.incoming.voices else "people.stray_photo"
    name, about = request.incoming.problem or stray, request.incoming.about
    if not request.text:
        ways = [("people.do:report", "people.do_report")] if name.startswith(STRAY) else []
        raise Refused(name, choices=ways, **about)
    store.files.drop(list(request.files))
    return [Reply(name, **about), _stray(request, store)]


def _numbered(request: Request, store: Store) -> routing.Answer:
    """A number typed outside any form answers the only message that awaits one."""
    position = int(request.text[:6]) - 1
    waiting = awaited(request, store)
    if not waiting:
        return _stray(request, store)
    fitting = [(title, actions[position]) for title, actions in waiting if position < len(actions)]
    if position < 0 or not fitting:
        return Reply("people.no_such_number")
    return one_of(fitting, request, store)


def _stray(request: Request, store: Store) -> Reply:
    """What is said outside any form is kept, after what was kept before, and offered on."""
    check_ban(request, store)
    said, before = clean(request.incoming.text or ""), request.context.kept
    if not said:
        return Reply("people.empty")
    is_short = len(said.split()) <= AT_MOST_MEANT
    meant = routing.nearly(said, request) if is_short or not before else None
    if meant is not None:
        return _did_you_mean(meant, request)
    kept = f"{before}\n{said}" if before else said
    choices = _ways_on(request, store)
    if before:
        choices.insert(-1, ("people.forget_kept", "people.forget_kept"))
    if len(kept) <= AT_MOST_KEPT:
        said_in = [piece[0] for piece in request.incoming.stands_in]
        request.context.keep_said(said, said_in)
        return Reply("people.stray", beginning=beginning(kept), choices=choices)
    if before is None:
        raise Refused("forms.too_long", length=len(said), at_most=AT_MOST_KEPT)
    return Reply("people.kept_full", beginning=beginning(before), choices=choices)


def _did_you_mean(command: str, request: Request) -> Reply:
    words = texts_for(request.context.language, request.zone).plain(f"commands.{command}")
    word = words.partition("|")[0]
    choices: list[tuple[str, Label | str]] = [
        (f"people.do:{command}", Said(word)),
        ("people.menu", "people.see_menu"),
    ]
    return Reply("people.did_you_mean", word=word, choices=choices)


def _ways_on(request: Request, store: Store) -> list[tuple[str, Label | str]]:
    """Answer a question of the secretariat, tell it as a report, or write it to the secretariat.

    Who is paused may do none of these, but contest that.
    """
    menu = ("people.menu", "people.see_menu")
    if request.context.is_under(RestrictionKind.mute, request.now):
        return [("data_requests.contest_kept", "data_requests.contest"), menu]
    choices: list[tuple[str, Label | str]] = [
        (f"reports.answer_kept:{report.id}", Words("people.answer_kept", {"report": report}))
        for report in store.reports.written_by(request.person)
        if report.state is ReportState.returned
    ]
    return [*choices[:AT_MOST_ASKED], *_ways_to_send(request, store), menu]


def _ways_to_send(request: Request, store: Store) -> list[tuple[str, Label | str]]:
    """Tell it as a report or write it to the secretariat: first what goes on already."""
    ways: list[tuple[str, Label | str]] = [
        ("reports.tell_kept", "people.tell_kept"),
        ("threads.send_kept:0", "people.send_kept"),
    ]
    return ways[::-1] if store.threads.has_open(request.person) else ways


def _replies(answer: routing.Answer, request: Request, store: Store) -> list[Reply]:
    if answer is None:
        return []
    if isinstance(answer, Open):
        return _replies(open_form(answer, request, store), request, store)
    return [answer] if isinstance(answer, Reply) else list(answer)
