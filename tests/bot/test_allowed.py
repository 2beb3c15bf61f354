"""Which accounts of Matrix Préau talks to."""

import pytest

from bot.allowed import allows, is_user_id
from bot.settings import Settings

OURS = "example.org"


@pytest.mark.parametrize(
    ("allowed", "user_id", "expected"),
    [
        ([], "@a:example.org", True),
        ([], "@a:elsewhere.org", False),
        (["elsewhere.org"], "@a:example.org", False),
        (["elsewhere.org"], "@a:elsewhere.org", True),
        (["elsewhere.org"], "@a:ELSEWHERE.org", True),
        (["elsewhere.org"], "@a:sub.elsewhere.org", False),
        (["elsewhere.org"], "@a:notelsewhere.org", False),
        (["elsewhere.org"], "@a:elsewhere.org.evil.net", False),
        (["elsewhere.org"], "@a:elsewhere.org:8448", False),
        (["elsewhere.org:8448"], "@a:elsewhere.org:8448", True),
        ([".tchap.gouv.fr"], "@a:agent.education.tchap.gouv.fr", True),
        ([".tchap.gouv.fr"], "@a:tchap.gouv.fr", False),
        ([".tchap.gouv.fr"], "@a:nottchap.gouv.fr", False),
        ([".tchap.gouv.fr"], "@a:.tchap.gouv.fr", False),
        ([".tchap.gouv.fr"], "@a:agent.tchap.gouv.fr.evil.net", False),
        (["@a:elsewhere.org"], "@a:elsewhere.org", True),
        (["@a:elsewhere.org"], "@b:elsewhere.org", False),
        (["@a:elsewhere.org"], "@a:elsewhere.org:8448", False),
        (["elsewhere.org"], "a:elsewhere.org", False),
        (["elsewhere.org"], "@elsewhere.org", False),
        (["elsewhere.org"], "elsewhere.org", False),
        ([], "@a:", False),
        ([], "", False),
    ],
)
def test_whom_it_talks_to(allowed: list[str], user_id: str, expected: bool) -> None:
    assert allows(allowed, OURS, user_id) is expected


def test_no_server_of_our_own_allows_nobody() -> None:
    assert not allows([], "", "@a:")


def test_entries_are_those_of_the_settings() -> None:
    given = Settings(_env_file=None, matrix_allowed_servers="*.Tchap.gouv.fr, @A:Elsewhere.org")
    assert allows(given.matrix_allowed_servers, OURS, "@x:agent.tchap.gouv.fr")
    assert allows(given.matrix_allowed_servers, OURS, "@a:elsewhere.org")


@pytest.mark.parametrize(
    "text",
    ["@a:b", "@jeanne.dupont-ac.fr:agent.tchap.gouv.fr", "@a=2/+_:h.fr:8448", "@a:[::1]:80"],
)
def test_what_is_an_account(text: str) -> None:
    assert is_user_id(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a:b",
        "@:b",
        "@a:",
        "@a",
        "@a:b c",
        "@a b:c",
        "@A:b",
        "@a:b/c",
        "@a:b:c",
        "@a:-b",
        "@a:.b",
        "@a:b\n",
        "@é:b",
        f"@{'a' * 254}:b",
    ],
)
def test_what_is_none(text: str) -> None:
    assert not is_user_id(text)
