"""The parameters of a call, in whichever of the four ways they came."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from tests.bot_api.errors import bad
from tests.bot_api.world import as_object


@dataclass
class Upload:
    name: str
    mime: str
    data: bytes


@dataclass
class Params:
    """Names are in small letters, as Telegram's."""

    values: dict[str, Any]
    uploads: dict[str, Upload] = field(default_factory=dict)

    def text(self, name: str, default: str = "") -> str:
        value = self.values.get(name)
        return default if value is None else str(value)

    def number(self, name: str, default: int = 0) -> int:
        try:
            return int(self.values.get(name) or default)
        except (TypeError, ValueError):
            return default

    def flag(self, name: str) -> bool:
        """True if it is true, yes or 1."""
        return str(self.values.get(name, "")).lower() in ("true", "yes", "1")

    def object(self, name: str) -> Any:
        """A JSON-serialised value; None if it is not there."""
        value = self.values.get(name)
        return None if value in (None, "") else as_object(value)

    def required(self, name: str) -> str:
        value = self.text(name)
        if not value:
            raise bad(f'parameter "{name}" is required')
        return value

    def upload(self, name: str, given: str) -> Upload | None:
        """The file of a field, under its own name or as `attach://…`."""
        if given.startswith("attach://"):
            return self.uploads.get(given.removeprefix("attach://"))
        return self.uploads.get(name)


async def read(request: web.Request) -> Params:
    """The parameters of a request (core.telegram.org/bots/api#making-requests)."""
    values: dict[str, Any] = dict(request.query) if request.query_string else {}
    if request.method == "GET" or not request.can_read_body:
        return Params(values)
    kind = request.content_type
    if kind == "application/x-www-form-urlencoded":
        raw = (await request.read()).decode()
        values.update(parse_qsl(raw, keep_blank_values=True))
        return Params(values)
    if kind == "application/json":
        body = as_object((await request.read()).decode())
        if isinstance(body, dict):
            values.update(body)
        return Params(values)
    params = Params(values)
    if kind == "multipart/form-data":
        for name, part in (await request.post()).items():
            if isinstance(part, web.FileField):
                data = part.file.read()
                part.file.close()
                params.uploads[name] = Upload(part.filename, part.content_type, data)
            else:
                values[name] = part
    return params
