"""Photos: refused before decoding, or kept without a trace of where they come from."""

import contextlib
import io
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from bot.photos import LONGEST_SIDE, Reason, UnusablePhoto, clean_photo


def encoded(kind: str, mode: str = "RGB", size: tuple[int, int] = (320, 200)) -> bytes:
    out = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert(mode).save(out, kind)
    return out.getvalue()


def huge_png(width: int, height: int) -> bytes:
    """A PNG of a few kilobytes that would decode to a hundred megabytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    packer = zlib.compressobj(9)
    row = b"\0" * (1 + width * 3)
    rows = b"".join(packer.compress(row) for _ in range(min(height, 500))) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


def reason_for(data: bytes) -> Reason:
    with pytest.raises(UnusablePhoto) as refused:
        clean_photo(data)
    return refused.value.reason


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("JPEG", "RGB"), ("JPEG", "CMYK"), ("PNG", "RGBA"), ("PNG", "P"), ("WEBP", "RGB")],
)
def test_what_is_taken_becomes_a_small_jpeg(kind: str, mode: str) -> None:
    photo = clean_photo(encoded(kind, mode, (2400, 1200)))
    image = Image.open(io.BytesIO(photo.content))
    assert image.format == "JPEG"
    assert image.size == (photo.width, photo.height) == (LONGEST_SIDE, LONGEST_SIDE // 2)


def test_no_metadata_is_left_and_it_stands_upright() -> None:
    image = Image.new("RGB", (400, 200), "red")
    exif = image.getexif()
    exif[0x0112] = 6
    exif[0x010E] = "Madame Untel"
    exif.get_ifd(0x8825)[2] = (48.0, 51.0, 24.0)
    out = io.BytesIO()
    image.save(out, "JPEG", exif=exif, comment=b"une ecole")
    photo = clean_photo(out.getvalue())
    assert (photo.width, photo.height) == (200, 400)
    for trace in (b"Exif", b"Untel", b"une ecole", b"GPS"):
        assert trace not in photo.content


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_fifty_megapixels_are_refused_without_decoding(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = huge_png(10_000, 5_000) if kind == "PNG" else encoded(kind, size=(10_000, 5_000))

    def decode(*_: object) -> None:
        raise AssertionError("it was decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", decode)
    assert reason_for(bomb) is Reason.too_many_pixels


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", Reason.not_a_photo),
        (b"%PDF-1.7 lies about its type", Reason.not_a_photo),
        (b"<svg onload=alert(1)>", Reason.not_a_photo),
        (encoded("GIF"), Reason.not_a_photo),
        (encoded("JPEG")[:900], Reason.damaged),
        (b"\xff" * (10 * 1024 * 1024 + 1), Reason.too_heavy),
        (huge_png(60_000, 1_000)[:4000], Reason.too_many_pixels),
    ],
)
def test_why_it_is_refused(data: bytes, reason: Reason) -> None:
    assert reason_for(data) is reason


@settings(max_examples=60)
@given(st.data())
def test_a_cut_or_altered_file_is_a_photo_or_refused(data: st.DataObject) -> None:
    whole = bytearray(encoded(data.draw(st.sampled_from(["JPEG", "PNG", "WEBP"])), size=(60, 40)))
    for _ in range(data.draw(st.integers(0, 6))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    with contextlib.suppress(UnusablePhoto):
        clean_photo(cut)
