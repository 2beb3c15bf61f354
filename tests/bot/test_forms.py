"""The rules of forms: nothing is lost, and every way through ends at the review."""

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.forms import (
    EDIT,
    REVIEW,
    Choose,
    Field,
    Find,
    Form,
    Given,
    Lines,
    LongText,
    Moment,
    Photos,
    Problem,
    ShortText,
    State,
)
from bot.markup import clean
from bot.messages import LONGEST_ACTION, Words
from bot.rendering import texts_for
from bot.rights import anyone
from bot.routing import FORMS, LONGEST_ID, form, form_action
from bot.texts import LANGUAGES
from handlers.groups.members import OwnName
from handlers.reports import report_form
from handlers.reviews import ReportNumber

NOW = datetime(2027, 1, 11, tzinfo=UTC)
PARIS = ZoneInfo("Europe/Paris")
ANSWERS = {
    "story": Given(text="Une histoire assez longue pour ne pas appeler de question " * 2),
    "kind": Given(value="need"),
    "theme": Given(value="unsure"),
    "profile": Given(value="parent"),
    "academie": Given(text="La Réunion"),
    "publishable": Given(value="no"),
    "title": Given(value="proposed"),
    "level": Given(value="primary"),
    "equipment": Given(text="Une tablette"),
    "advice": Given(text="Mesurer le réseau"),
    "relayed": Given(value="yes"),
}


def answered(state: State) -> State:
    if state.step == "photos":
        return report_form.skip(report_form.add_photos(state, [1, 2])[0])
    return report_form.advance(state, ANSWERS[state.step])


def test_four_answers_then_the_review() -> None:
    state = report_form.start({"profile": "parent", "academie": "28"})
    asked = []
    while state.step != REVIEW:
        asked.append(state.step)
        state = answered(state)
    assert asked == ["story", "kind", "theme", "publishable"]
    assert report_form.complete(state)


TAKEN_BACK = ("taken back", "photo taken back")
MOVES = ("answer", "back", "skip", "extras", "edit", "list", "keep", "clear", "photo", "wrong")
moves = st.lists(st.sampled_from([*MOVES, *TAKEN_BACK]), max_size=40)


@settings(max_examples=200)
@given(moves)
def test_any_wandering_can_be_finished_and_survives_storage(wandering: list[str]) -> None:
    state = report_form.start({})
    for move in wandering:
        before = state
        try:
            if move == "answer" and state.step not in (REVIEW, EDIT):
                state = answered(state)
            elif move == "back":
                state = report_form.back(state)
            elif move == "skip":
                state = report_form.skip(state)
            elif move == "extras" and state.step == REVIEW:
                state = report_form.add_extras(state)
            elif move == "edit":
                state = report_form.edit(state, "kind")
            elif move == "list" and state.step == REVIEW:
                state = replace(state, step=EDIT)
            elif move == "keep":
                state = report_form.keep(state)
            elif move == "clear":
                state = report_form.clear(state)
            elif move == "photo":
                state, _ = report_form.add_photos(state, [len(wandering)])
            elif move == "taken back":
                state = report_form.withdraw(state, "kind")
                assert (state.step, "kind" in state.answers) == ("kind", False)
            elif move == "photo taken back" and state.answers.get("photos"):
                state = report_form.withdraw_photos(state, state.answers["photos"][:1])
            elif move == "wrong":
                state = report_form.advance(state, Given(value="no such value"))
        except Problem:
            assert state == before
        if move not in TAKEN_BACK:
            assert set(before.answers) <= set(state.answers), "an answer is never lost"
        state = report_form.resume(State.from_kept(state.kept()))
    for _ in range(30):
        if state.step == REVIEW:
            break
        state = report_form.back(state) if state.step == EDIT else answered(state)
    assert state.step == REVIEW
    assert report_form.complete(state)


@settings(max_examples=300)
@given(st.text(max_size=5000))
def test_any_text_is_an_answer_or_a_named_problem(typed: str) -> None:
    for name in ("story", "title", "academie", "photos", "kind"):
        state = report_form.edit(report_form.start({"story": "Une histoire. " * 10}), name)
        try:
            after = report_form.advance(state, Given(text=typed, now=NOW, zone=PARIS))
        except Problem as problem:
            assert problem.words.name.startswith("forms.")
        else:
            assert after != state


# What applies, and what is complete


own = Form(
    "own",
    "polls",
    (
        Choose("style", ("standard", "own")),
        Lines("options", when=lambda answers: answers.get("style") == "own"),
        Choose("electorate", ("members", "public")),
    ),
    submit=lambda *_: None,
    who=anyone,
)


def test_answers_that_no_longer_apply_are_not_sent() -> None:
    state = own.start({"on_text": True})
    for given_ in (Given(value="own"), Given(text="Du temps\nUn réseau"), Given(value="public")):
        state = own.advance(state, given_)
    assert own.submitted(state)["options"] == ["Du temps", "Un réseau"]
    changed = own.advance(own.edit(state, "style"), Given(value="standard"))
    assert changed.step == REVIEW
    assert own.submitted(changed) == {
        "on_text": True,
        "style": "standard",
        "options": None,
        "electorate": "public",
    }
    assert own.advance(own.edit(changed, "style"), Given(value="own")).step == REVIEW


def test_a_change_may_make_a_question_necessary() -> None:
    state = own.advance(own.start({}), Given(value="standard"))
    state = own.advance(state, Given(value="public"))
    assert own.advance(own.edit(state, "style"), Given(value="own")).step == "options"


def test_a_draft_at_the_review_that_lacks_an_answer_resumes_there() -> None:
    kept = {"step": REVIEW, "answers": {"style": "own"}, "trail": ["style"]}
    for step in (REVIEW, EDIT):
        assert own.resume(State.from_kept({**kept, "step": step})).step == "options"
    gone = State.from_kept({**kept, "step": "a field of another version"})
    assert own.resume(gone).step == "options"
    moot = State("options", {"style": "standard"}, ("style",))
    assert own.resume(moot).step == "electorate"


def test_going_back_passes_over_what_no_longer_applies() -> None:
    state = State("electorate", {"style": "standard", "options": ["a", "b"]}, ("style", "options"))
    assert own.back(state).step == "style"


def test_a_draft_of_the_first_version_goes_on() -> None:
    first = {
        "step": "photos",
        "answers": {"story": "Une histoire", "title": None},
        "trail": ["story", "title"],
        "partial": [4, 7],
        "extras": True,
    }
    state = report_form.resume(State.from_kept(first))
    assert (state.step, state.answers["photos"], state.partial) == ("photos", [4, 7], None)
    assert report_form.skip(state).answers["photos"] == [4, 7]


def test_leaving_a_change_leaves_everything() -> None:
    state = report_form.start({"profile": "parent", "academie": "28"})
    while state.step != REVIEW:
        state = answered(state)
    for one in report_form.fields:
        if not one.applies(state.answers):
            continue
        edited = report_form.edit(state, one.name)
        assert report_form.back(edited) == state
        assert report_form.keep(edited) == state
        assert report_form.skip(edited) == state


def test_the_questions_are_counted() -> None:
    state, told = report_form.start({"profile": "parent", "academie": "28"}), []
    while state.step != REVIEW:
        told.append(report_form.progress(state))
        state = answered(state)
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_no_number_of_questions_is_told_that_could_grow() -> None:
    asked = FORMS["invite"].start({})
    assert FORMS["invite"].progress(asked) is None, "what is asked next depends on the answer"
    state, told = report_form.start({"profile": "parent", "academie": "28"}), set()
    state = report_form.advance(state, Given(text=f"{'Le réseau tombe. ' * 20}ada@example.org"))
    while state.step not in ("masking", REVIEW):
        told.add(report_form.progress(state))
        state = answered(state)
    assert state.step == "masking"
    assert told == {(2, 4), (3, 4), (4, 4)}
    assert report_form.progress(state) is None


# Every field of every form


FIELDS = [(form_, one) for form_ in FORMS.values() for one in form_.fields]
TYPED = {
    "too long": "é" * 10_000,
    "many lines": "ligne\n" * 2_000,
    "empty": "",
    "spaces": "  \n\t ",
    "unseen": "\u200b\u200e\u2060",
    "emoji": "😀👨‍👩‍👧",
    "right to left": "\u202eשלום\u202c עולם",
    "control": "a\x00b\x07c",
    "html": "<script>alert(1)</script> & <b>x</b>",
    "markdown": "**gras** _x_ [a](b) `c`",
}


def expected(one: Field, typed: str) -> set[str] | None:
    """The problems that may be named, or `taken`; None for a field that a handler made."""
    text = clean(typed)
    match one:
        case OwnName() if text and len(text) <= one.at_most:
            return {"taken" if text.replace(" ", "").isalpha() else "groups.plain_name"}
        case ReportNumber():
            return None
        case LongText() | ShortText():
            too_long = len(text) > one.at_most
            return {"forms.too_long" if too_long else "taken" if text else "forms.empty"}
        case Lines():
            return {"forms.lines", "forms.too_long"} if text else {"forms.empty"}
        case Moment():
            return {"forms.no_date"} if text else {"forms.empty"}
        case Find():
            return {"forms.not_found"} if text else {"forms.empty"}
        case Photos():
            return {"forms.photo_wanted"}
        case Choose():
            return {"forms.choose"}
        case _:
            return None


@pytest.mark.parametrize("kind", TYPED)
@pytest.mark.parametrize(
    ("declared", "one"), FIELDS, ids=[f"{form_.name}.{one.name}" for form_, one in FIELDS]
)
def test_bad_input_is_named_and_loses_nothing(declared: Form, one: Field, kind: str) -> None:
    known = {name: "0" for name in ("story", "question", "title", "body") if name != one.name}
    state, wanted = State(one.name, known, ("before",)), expected(one, TYPED[kind])
    try:
        after = declared.advance(state, Given(text=TYPED[kind], now=NOW, zone=PARIS))
    except Problem as problem:
        assert wanted is None or problem.words.name in wanted
        for language in LANGUAGES:
            assert texts_for(language, PARIS).say(problem.words)
    else:
        assert wanted == {"taken"}
        assert known.items() <= after.answers.items()
        taken = str(after.answers.get(one.name) or after.partial)
        assert not set("\x00\x07\u202e") & set(taken)


@settings(max_examples=300)
@given(st.sampled_from(FIELDS), st.text(max_size=200), st.text(max_size=40))
def test_any_choice_or_text_is_taken_or_named(
    at: tuple[Form, Field], typed: str, value: str
) -> None:
    declared, one = at
    known = dict.fromkeys(("story", "question", "title", "body"), "0")
    for given_ in (Given(text=typed, now=NOW, zone=PARIS), Given(value=value, now=NOW, zone=PARIS)):
        try:
            after = declared.advance(State(one.name, known), given_)
        except Problem as problem:
            assert texts_for("fr", PARIS).say(problem.words)
        else:
            assert declared.resume(State.from_kept(after.kept())).answers == after.answers


@pytest.mark.parametrize(
    ("declared", "one"), FIELDS, ids=[f"{form_.name}.{one.name}" for form_, one in FIELDS]
)
def test_every_choice_of_a_form_fits_a_button(declared: Form, one: Field) -> None:
    key = f"{declared.name}.{LONGEST_ID}"
    known = {"story": "Une histoire.", one.name: None}
    given_ = Given(now=NOW, zone=PARIS, answers=known)
    values = {value for value, _ in one.choices(declared.noun, given_)} | set(one.values)
    for value in values | {"enough"}:
        assert len(form_action("answer", key, one.name, value).encode()) <= LONGEST_ACTION
    for verb in ("skip", "keep", "clear", "edit"):
        assert len(form_action(verb, key, one.name).encode()) <= LONGEST_ACTION


def test_a_form_whose_actions_are_too_long_is_not_declared() -> None:
    fields = (Choose("a_question_of_many_words", ("an_answer_that_is_longer_still",)),)
    with pytest.raises(ValueError, match="longer than 64 bytes"):
        form(Form("much_too_long", "reports", fields, submit=lambda *_: None, who=anyone))
    assert "much_too_long" not in FORMS


@pytest.mark.parametrize(
    ("typed", "moment", "said"),
    [
        ("31/10/2027 2h30", datetime(2027, 10, 31, 0, 30, tzinfo=UTC), Words("forms.first_of_two")),
        ("31/10/2027 4h30", datetime(2027, 10, 31, 3, 30, tzinfo=UTC), None),
        ("14 janvier 2027 à 18 h", datetime(2027, 1, 14, 17, 0, tzinfo=UTC), None),
    ],
)
def test_an_hour_that_comes_twice_is_said(typed: str, moment: datetime, said: Words | None) -> None:
    asked, given_ = Moment("closes_at"), Given(text=typed, now=NOW, zone=PARIS)
    answer = asked.read(given_)
    assert datetime.fromisoformat(answer) == moment
    assert asked.understood(given_, answer) == said


@pytest.mark.parametrize(
    ("typed", "why"),
    [("30 février 2027", "Ce jour n'existe pas."), ("28/03/2027 2h30", "les horloges avancent")],
)
def test_a_moment_that_does_not_exist_is_explained(typed: str, why: str) -> None:
    with pytest.raises(Problem) as raised:
        Moment("closes_at").read(Given(text=typed, now=NOW, zone=PARIS))
    assert why in texts_for("fr", PARIS).label(raised.value.words)
