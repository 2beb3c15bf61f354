"""A PDF is known by its content, whole, and not too heavy."""

import pytest

from bot.pdf import LARGEST, is_pdf, problem_with

WHOLE = b"%PDF-1.7\n%Pr\xc3\xa9au\n%%EOF\n"


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff", b"<html>%PDF-1.7", b"%PD"])
def test_what_is_called_a_pdf_is_none(data: bytes) -> None:
    assert not is_pdf(data)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (WHOLE, None),
        (WHOLE + b"\0" * (LARGEST - len(WHOLE)), "forms.pdf_damaged"),
        (WHOLE[:-7], "forms.pdf_damaged"),
        (b"%PDF-1.7" + b" " * (LARGEST - 13) + b"%%EOF", None),
        (b"%PDF-1.7" + b" " * (LARGEST - 12) + b"%%EOF", "forms.pdf_too_heavy"),
    ],
    ids=["whole", "padded", "cut", "heaviest", "too heavy"],
)
def test_what_cannot_be_kept_is_named(data: bytes, problem: str | None) -> None:
    assert is_pdf(data)
    assert problem_with(data) == problem
