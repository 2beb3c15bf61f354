"""Actions fit the buttons of every platform, and are refused when they are not ours."""

import pytest

from bot.messages import LONGEST_ACTION
from bot.routing import CHOICES, COMMANDS, LONGEST_ID, number
from bot.texts import LANGUAGES
from tests.stage import Stage


def longest(name: str) -> list[str]:
    """The longest actions of a choice, as far as its name and its readers tell."""
    if name == "people.do":
        return [f"{name}:{command}" for command in COMMANDS]
    if name == "people.language":
        return [f"{name}:{language}" for language in LANGUAGES]
    ids = [LONGEST_ID for read in CHOICES[name].arguments if read is number]
    return [":".join((name, *ids))]


@pytest.mark.parametrize("name", sorted(CHOICES))
def test_every_action_fits_a_button(name: str) -> None:
    for action in longest(name):
        assert len(action.encode()) <= LONGEST_ACTION, action


@pytest.mark.parametrize("text", ["", "-1", "²", "1e3", "2147483648", "9" * 5000])
def test_what_no_id_can_be_is_refused(text: str) -> None:
    """A column of ids would refuse it later, and less kindly."""
    assert number("2147483647") == 2**31 - 1
    with pytest.raises(ValueError, match=r".*"):
        number(text)


@pytest.mark.parametrize("said", ["sondage", "projet", "modérer", "courrier"])
async def test_a_command_of_others_is_refused_kindly(stage: Stage, said: str) -> None:
    refused = await (await stage.newcomer()).say(said)
    assert "Votre compte ne permet pas cette action." in refused
