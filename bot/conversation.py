"""One update of one conversation: the open form, a command, a choice, a number, or free words."""

from bot import routing
from bot.forms import Given, Open
from bot.forms.filling import Filling, open_form
from bot.markup import beginning, clean
from bot.messages import Label, Refused, Reply, Request, Said, Words
from bot.rendering import texts_for
from bot.routing import FORMS, form_action
from bot.texts import normalise
from storage.reports import ReportState
from storage.store import Store

NAVIGATION = ("cancel", "back", "skip", "help")
ALWAYS = (*NAVIGATION, "stop")  # heeded in the middle of a form, whatever it asks
COURTESIES = ("start", "thanks")  # words that leave no form
AT_MOST_KEPT = 10_000  # characters
AT_MOST_ASKED = 3  # reports that a message is offered to answer


def converse(request: Request, store: Store) -> list[Reply]:
    """Answer one update; the conversation's pointers change with it."""
    incoming = request.incoming
    if incoming.joined:
        return _replies(routing.obey("start", request, store), request, store)
    if incoming.choice is not None:
        return _replies(routing.act(incoming.choice, request, store), request, store)
    name, marked = routing.command_in(request.text)
    if name is not None and (marked or request.context.form is None or name in ALWAYS):
        return _replies(_command(name, request, store), request, store)
    if request.context.form is not None:
        return _replies(_answer(name, request, store), request, store)
    return _replies(_unasked(request, store), request, store)


def takes_photos(key: str | None) -> bool:
    """Whether the form that is open, if any, has a place for photos."""
    form = FORMS.get(key.partition(".")[0]) if key else None
    return form is not None and form.photos is not None


def takes_documents(key: str | None) -> bool:
    """Whether the form that is open, if any, takes PDF files where it takes photos."""
    form = FORMS.get(key.partition(".")[0]) if key else None
    return form is not None and form.photos is not None and form.photos.documents


def _command(name: str, request: Request, store: Store) -> routing.Answer:
    filling = Filling.open_in(request, store)
    if filling is not None and name in NAVIGATION:
        return filling.navigate(name)
    request.context.form = None
    answer = routing.obey(name, request, store)
    if filling is None or filling.form.is_blank(filling.state) or not isinstance(answer, Reply):
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
    if not filling.form.who(request):  # a role has ended: the draft waits
        request.context.form = None
        if command is not None:
            return routing.obey(command, request, store)
        return Reply("people.not_allowed", choices=[("people.menu", "people.see_menu")])
    if request.files or request.incoming.problem:
        problem = filling.take_photos()
        if problem is not None or not request.text:
            return filling.ask(problem)
    typed, asked = request.text, filling.asked
    is_position = typed.isascii() and typed.isdigit() and not typed.startswith("0")
    action = (filling.at(typed) if is_position else None) or filling.named(typed)
    if action is None and not (asked is not None and asked.free) and not filling.takes(typed):
        if command is not None and _leaves(command, request):
            return _command(command, request, store)
        action = filling.named(typed, loosely=True)
    return routing.act(action, request, store) if action else filling.take(Given(text=typed))


def _leaves(command: str, request: Request) -> bool:
    return command not in COURTESIES and routing.COMMANDS[command].who(request)


def _unasked(request: Request, store: Store) -> routing.Answer:
    """What is said where no form is open."""
    if request.text.isascii() and request.text.isdigit():
        return _numbered(request, store)
    if request.files or request.incoming.problem:
        raise Refused(request.incoming.problem or "people.stray_photo")
    action = _label_of_last(request)
    return routing.act(action, request, store) if action else _stray(request, store)


def _label_of_last(request: Request) -> str | None:
    """The action whose label was typed as a whole, among the messages that await an answer."""
    typed = normalise(request.text)
    fitting = {
        action
        for *_, actions in request.context.awaiting
        for action, label in actions
        if typed and normalise(label) == typed
    }
    return fitting.pop() if len(fitting) == 1 else None


def _numbered(request: Request, store: Store) -> routing.Answer:
    """A number typed outside any form answers the only message that awaits one."""
    position = int(request.text[:6]) - 1
    waiting = request.context.awaiting
    if not waiting:
        return _stray(request, store)
    fitting = [
        (title, actions[position]) for _, _, title, actions in waiting if position < len(actions)
    ]
    if position < 0 or not fitting:
        return Reply("people.no_such_number")
    if len(fitting) == 1:
        return routing.act(fitting[0][1][0], request, store)
    choices = [
        (action, Words("people.number_of", {"title": title, "label": label}))
        for title, (action, label) in fitting
    ]
    return Reply("people.which_message", choices=choices, number=position + 1)


def _stray(request: Request, store: Store) -> Reply:
    """What is said outside any form is kept, after what was kept before, and offered on."""
    said, before = clean(request.incoming.text or ""), request.context.kept
    if not said:
        return Reply("people.empty")
    meant = None if before else routing.nearly(said, request)
    if meant is not None:
        return _did_you_mean(meant, request)
    kept = f"{before}\n{said}" if before else said
    choices = _ways_on(request, store)
    if before:
        choices.insert(-1, ("people.forget_kept", "people.forget_kept"))
    if len(kept) <= AT_MOST_KEPT:
        request.context.kept = kept
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
    """Answer a question of the secretariat, tell it as a report, or write it to the secretariat."""
    choices: list[tuple[str, Label | str]] = [
        (f"reports.answer_kept:{report.id}", Words("people.answer_kept", {"report": report}))
        for report in store.reports.written_by(request.person)
        if report.state is ReportState.returned
    ]
    return [
        *choices[:AT_MOST_ASKED],
        *_ways_to_send(request, store),
        ("people.menu", "people.see_menu"),
    ]


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
