"""How the Bot API says no."""

from typing import Any

_PREFIXES = {
    400: "Bad Request: ",
    403: "Forbidden: ",
    404: "Not Found: ",
    409: "Conflict: ",
    429: "Too Many Requests: ",
}


class Refused(Exception):
    """An answer that is not ok.

    Args:
        code: the HTTP status and `error_code`.
        description: what stands after the prefix, in Telegram's words.
        parameters: `retry_after` or `migrate_to_chat_id`.
    """

    def __init__(
        self, code: int, description: str, parameters: dict[str, Any] | None = None
    ) -> None:
        self.code = code
        self.description = _PREFIXES.get(code, "") + description
        self.parameters = parameters
        super().__init__(f"{code} {self.description}")

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {
            "ok": False,
            "error_code": self.code,
            "description": self.description,
        }
        if self.parameters:
            body["parameters"] = self.parameters
        return body


def bad(description: str) -> Refused:
    return Refused(400, description)


def too_many(seconds: int) -> Refused:
    """429, as Query::set_retry_after_error of tdlib/telegram-bot-api words it."""
    return Refused(429, f"retry after {seconds}", {"retry_after": seconds})
