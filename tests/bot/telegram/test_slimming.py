"""What is left out of an answer, and that nothing else is."""

from typing import Any

import pytest

from bot.platforms.telegram.slimming import slim

OURS = {
    "message_id": 5,
    "date": 1,
    "chat": {"id": 7, "type": "private"},
    "text": "Question ?",
    "entities": [{"type": "bold", "offset": 0, "length": 8}],
    "reply_markup": {"inline_keyboard": [[{"text": "Pour", "callback_data": "a"}]]},
}
SLIM = {name: OURS[name] for name in ("message_id", "date", "chat", "text")}

PLACE = {name: OURS[name] for name in ("message_id", "date", "chat")}


def test_our_own_words_come_back_without_their_buttons() -> None:
    assert slim(dict(OURS)) == SLIM
    assert slim([dict(OURS)]) == [SLIM]


def test_of_a_pressed_message_only_its_place_is_read() -> None:
    press = {"id": "1", "from": {"id": 7}, "data": "a"}
    update = {"update_id": 3, "callback_query": {**press, "message": dict(OURS)}}
    assert slim([update]) == [{"update_id": 3, "callback_query": {**press, "message": PLACE}}]


def test_what_people_write_is_read_whole() -> None:
    said = {**OURS, "text": "/start vote-1", "entities": [{"type": "bot_command"}]}
    update = {"update_id": 3, "message": {**said, "reply_to_message": dict(OURS)}}
    assert slim([update]) == [{"update_id": 3, "message": {**said, "reply_to_message": SLIM}}]


@pytest.mark.parametrize("strange", [None, True, 3, "x", [], [None], {}, {"message": 3}])
def test_what_has_another_shape_stays_as_it_is(strange: Any) -> None:
    assert slim(strange) == strange
