"""The rules of forms: nothing is lost, and every way through ends at the review."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.forms import REVIEW, Given, Problem, State
from handlers.reports import report_form

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


moves = st.lists(
    st.sampled_from(["answer", "back", "skip", "extras", "edit", "wrong"]), max_size=40
)


@settings(max_examples=200, deadline=None)
@given(moves)
def test_any_wandering_can_be_finished_and_survives_storage(wandering: list[str]) -> None:
    state = report_form.start({})
    for move in wandering:
        before = state
        try:
            if move == "answer" and state.step != REVIEW:
                state = answered(state)
            elif move == "back":
                state = report_form.back(state)
            elif move == "skip":
                state = report_form.skip(state)
            elif move == "extras" and state.step == REVIEW:
                state = report_form.add_extras(state)
            elif move == "edit":
                state = report_form.edit(state, "kind")
            elif move == "wrong":
                state = report_form.advance(state, Given(value="no such value"))
        except Problem:
            assert state == before
        assert set(before.answers) <= set(state.answers), "an answer is never lost"
        state = report_form.resume(State.from_kept(state.kept()))
    for _ in range(30):
        if state.step == REVIEW:
            break
        state = answered(state)
    assert state.step == REVIEW
    assert report_form.complete(state)


@settings(max_examples=300, deadline=None)
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
