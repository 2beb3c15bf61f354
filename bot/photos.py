"""Photos as they may be kept: looked at before decoding, re-encoded, without any metadata."""

import io
import warnings
from dataclasses import dataclass
from enum import StrEnum

from PIL import Image, ImageOps

LARGEST = 10 * 1024 * 1024  # bytes
MOST_PIXELS = 40_000_000
MOST_PIXELS_WHOLE = 20_000_000  # in formats that are decoded whole; a JPEG is decoded smaller
LONGEST_SIDE = 1600  # pixels
QUALITY = 82
FORMATS = ("JPEG", "PNG", "WEBP")


class Reason(StrEnum):
    too_heavy = "too_heavy"
    too_many_pixels = "too_many_pixels"
    not_a_photo = "not_a_photo"
    damaged = "damaged"


class UnusablePhoto(Exception):
    """A file that cannot be kept as a photo, with a named reason."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class CleanPhoto:
    """A JPEG without metadata, at most 1600 pixels on its longest side."""

    content: bytes
    width: int
    height: int


def clean_photo(data: bytes) -> CleanPhoto:
    """Re-encode a photo; only its content decides what it is.

    Args:
        data: JPEG of 40 megapixels at most, PNG or WebP of 20, 10 MiB at most; of an animation,
            the first image is kept.

    Raises:
        UnusablePhoto: it is refused; too many pixels are refused before any is decoded.
    """
    if len(data) > LARGEST:
        raise UnusablePhoto(Reason.too_heavy)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of sizes that are checked here
        image = _open(data)
        most = MOST_PIXELS if image.format == "JPEG" else MOST_PIXELS_WHOLE
        if image.width * image.height > most:
            raise UnusablePhoto(Reason.too_many_pixels)
        try:
            return _encode(image)
        except Image.DecompressionBombError:
            raise UnusablePhoto(Reason.too_many_pixels) from None
        except Exception:
            # Decoders fail in many ways on damaged files (OSError, SyntaxError, struct.error…).
            raise UnusablePhoto(Reason.damaged) from None


def _open(data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError:
        raise UnusablePhoto(Reason.too_many_pixels) from None
    except Exception:
        raise UnusablePhoto(Reason.not_a_photo) from None


def _encode(image: Image.Image) -> CleanPhoto:
    image.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    upright = ImageOps.exif_transpose(image)
    if upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info:
        layer = upright.convert("RGBA")
        flat = Image.new("RGB", layer.size, "white")
        flat.paste(layer, mask=layer.getchannel("A"))
    else:
        flat = upright.convert("RGB")
    # A new image holds pixels only: no EXIF, no position, no comment, no profile.
    bare = Image.frombytes("RGB", flat.size, flat.tobytes())
    encoded = io.BytesIO()
    bare.save(encoded, "JPEG", quality=QUALITY, progressive=True, optimize=True)
    return CleanPhoto(encoded.getvalue(), bare.width, bare.height)
