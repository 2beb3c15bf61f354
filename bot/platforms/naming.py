"""What a file is called on its reader's device."""

import mimetypes
import re

LONGEST_NAME = 60  # characters
_UNSAFE = re.compile(r'[\x00-\x1f/\\:*?"<>|]')
_ENDINGS = {
    "text/calendar": ".ics",
    "application/pdf": ".pdf",
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "application/json": ".json",
    "text/html": ".html",
    "text/csv": ".csv",
    "audio/ogg": ".ogg",
}


def file_name(title: str, media_type: str) -> str:
    """A name that every system takes, with the ending that says how to open it.

    Args:
        title: what people see, such as "Pièce jointe". Of several sentences, as they describe a
            picture, the first names it; it is cut at 60 characters.
    """
    ending = _ENDINGS.get(media_type) or mimetypes.guess_extension(media_type) or ""
    safe = " ".join(_UNSAFE.sub(" ", title.partition(". ")[0]).split())[:LONGEST_NAME].strip(". ")
    return f"{safe or 'preau'}{ending}"
