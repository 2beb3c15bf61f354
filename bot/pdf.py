"""PDF files as they may be sent on: known by their content, and not too heavy."""

LARGEST = 5 * 1024 * 1024  # bytes
MEDIA_TYPE = "application/pdf"
_ENDS_WITHIN = 1024  # bytes from the end, where the end is marked


def is_pdf(data: bytes) -> bool:
    """Whether a file says that it is one; what it is called does not count."""
    return data.startswith(b"%PDF-")


def problem_with(data: bytes) -> str | None:
    """The message that says why a PDF cannot be kept, if it cannot."""
    if len(data) > LARGEST:
        return "forms.pdf_too_heavy"
    return None if b"%%EOF" in data[-_ENDS_WITHIN:] else "forms.pdf_damaged"
