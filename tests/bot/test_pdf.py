"""A PDF is known by its content, and written anew: its pages and web links, and nothing else."""

import contextlib
import io
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pikepdf import Array, Dictionary, Name, Pdf, String

from bot import pdf, pdf_cleaner
from bot.pdf import LARGEST, Reason, UnusablePdf, clean_pdf, is_pdf
from bot.pdf_cleaner import Unusable, cleaned
from bot.texts import SOURCE
from tests.pdfs import (
    HIDDEN,
    HIDING,
    LINK,
    TEXT,
    around_a_picture,
    bomb,
    bomb_in_a_bomb,
    document,
    everything,
    in_a_form,
    in_a_picture,
    in_the_structure,
    link,
    links_of,
    many_large_streams,
    note,
    saved,
    wide_picture,
)
from tests.test_locales import signatures

ACTING = [
    *(b"/JavaScript", b"/JS", b"/Launch", b"/OpenAction", b"/AA", b"/EmbeddedFile", b"/EF"),
    *(b"/Info", b"/Metadata", b"/XFA", b"/AcroForm", b"/Filespec", b"/RichMedia", b"/Encrypt"),
]


@pytest.mark.parametrize("hide", HIDING)
def test_nothing_acts_hides_or_tells_of_its_author(hide: Any) -> None:
    made = document(2)
    hide(made)
    given_file = saved(made)
    kept = everything(cleaned(given_file))
    if hide is not in_a_picture:  # packed with it
        assert HIDDEN.encode() in everything(given_file)
    assert HIDDEN.encode() not in kept
    assert [word for word in ACTING if word in kept] == []
    assert kept.count(TEXT) == 2
    assert links_of(kept) == [LINK, LINK]


@settings(max_examples=25)
@given(st.lists(st.sampled_from(HIDING), unique=True), st.integers(1, 4), st.booleans())
def test_nor_when_hidden_in_several_places(hiding: list[Any], pages: int, packed: bool) -> None:
    made = document(pages)
    for hide in hiding:
        hide(made)
    mode = pikepdf.ObjectStreamMode.generate if packed else pikepdf.ObjectStreamMode.disable
    kept = everything(cleaned(saved(made, object_stream_mode=mode)))
    assert HIDDEN.encode() not in kept
    assert [word for word in ACTING if word in kept] == []
    assert kept.count(TEXT) == pages
    assert links_of(kept) == [LINK] * pages


@pytest.mark.parametrize(
    ("address", "stays"),
    [
        ("http://exemple.fr/?a=(b)", True),
        ("HTTPS://EXEMPLE.FR", True),
        ("javascript:alert(1)", False),
        ("file:///etc/passwd", False),
        ("mailto:a@exemple.fr", False),
        ("https://exemple.fr\njavascript:alert(1)", False),
        ("", False),
    ],
)
def test_only_links_to_the_web_stay(address: str, stays: bool) -> None:
    made = document()
    made.pages[0].obj.Annots = Array([link("")])
    made.pages[0].obj.Annots[0].A.URI = String(address.encode())
    assert links_of(cleaned(saved(made))) == ([address] if stays else [])


def test_what_was_filled_in_is_still_seen() -> None:
    made = document()
    font = made.pages[0].obj.Resources.Font.F1
    field = made.make_indirect(
        note(Name.Widget, FT=Name.Tx, T=String("nom"), V=String("Kofi"), DA=String("/F1 9 Tf 0 g"))
    )
    field.F = 4
    made.pages[0].obj.Annots.append(field)
    made.Root.AcroForm = Dictionary(
        Fields=Array([field]), NeedAppearances=True, DR=Dictionary(Font=Dictionary(F1=font))
    )
    kept = everything(cleaned(saved(made)))
    assert b"(Kofi) Tj" in kept
    assert b"/Widget" not in kept
    assert links_of(kept) == [LINK]


def test_screen_readers_still_find_their_way() -> None:
    made = document()
    one = made.make_indirect(made.pages[0].obj.Annots[0])
    made.pages[0].obj.Annots[0] = one
    reference = Dictionary(Type=Name.OBJR, Pg=made.pages[0].obj)
    reference["/OBJ"] = one
    part = Dictionary(S=Name.Link, Alt=String("Programme"), K=Array([0, reference]))
    part.A = Dictionary(O=Name.Layout, Placement=Name.Block)
    part.Pg = made.pages[0].obj
    made.Root.Lang = String("fr-FR")
    made.Root.StructTreeRoot = Dictionary(Type=Name.StructTreeRoot, K=made.make_indirect(part))
    with Pdf.open(io.BytesIO(cleaned(saved(made)))) as kept:
        assert str(kept.Root.Lang) == "fr-FR"
        found = kept.Root.StructTreeRoot.K
        assert str(found.Alt) == "Programme"
        assert found.A.Placement == Name.Block
        assert found.K[1].OBJ.objgen == kept.pages[0].obj.Annots[0].objgen
        assert found.Pg.objgen == kept.pages[0].obj.objgen


def test_the_same_file_is_written_the_same() -> None:
    whole = saved(document())
    assert cleaned(whole) == cleaned(whole)


@pytest.mark.parametrize("grow", [bomb, bomb_in_a_bomb, many_large_streams, wide_picture])
async def test_what_grows_when_opened_is_refused(grow: Any) -> None:
    made = document()
    grow(made)
    as_packed = saved(
        made, compress_streams=False, stream_decode_level=pikepdf.StreamDecodeLevel.none
    )
    assert await reason_for(as_packed) is Reason.too_complex


async def reason_for(data: bytes) -> Reason:
    with pytest.raises(UnusablePdf) as refused:
        await clean_pdf(data)
    return refused.value.reason


async def test_time_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "SECONDS", 0.001)
    assert await reason_for(saved(document())) is Reason.too_complex


async def test_a_process_that_dies_is_a_refusal(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dies = tmp_path / "dies.py"
    dies.write_text(
        "import os, signal, sys; sys.stdin.read(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    monkeypatch.setattr(pdf, "_CLEANER", str(dies))
    assert await reason_for(b"%PDF-1.7\n%%EOF") is Reason.too_complex
    dies.write_text("raise SystemError")
    assert await reason_for(b"%PDF-1.7\n%%EOF") is Reason.damaged


async def test_the_process_knows_no_secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tells = tmp_path / "tells.py"
    tells.write_text("import os; print(sorted(os.environ))")
    monkeypatch.setattr(pdf, "_CLEANER", str(tells))
    monkeypatch.setenv("PREAU_SECRET_KEY", "not to be told")
    assert b"PREAU_SECRET_KEY" not in await clean_pdf(b"%PDF-1.7\n%%EOF")


def locked(user: str) -> bytes:
    return saved(document(), encryption=pikepdf.Encryption(owner="direction", user=user))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (locked("secret"), Reason.locked),
        (locked(""), Reason.locked),
        (saved(document())[:-7], Reason.damaged),
        (saved(document())[:300] + b"\n%%EOF\n", Reason.damaged),
        (b"%PDF-1.7\n%%EOF\n", Reason.damaged),
        (saved(Pdf.new()), Reason.damaged),
        (b"%PDF-1.7" + b" " * (LARGEST - 12) + b"%%EOF", Reason.too_heavy),
        (saved(document(pdf_cleaner.MOST_PAGES + 1)), Reason.too_complex),
    ],
    ids=["password", "rights", "no end", "cut", "empty", "no page", "too heavy", "too long"],
)
async def test_why_it_is_refused(data: bytes, reason: Reason) -> None:
    assert is_pdf(data)
    assert await reason_for(data) is reason


def test_every_reason_has_its_words() -> None:
    assert {f"pdf_{reason}" for reason in Reason} <= signatures(SOURCE, "forms").keys()


async def test_a_whole_one_is_written_anew() -> None:
    kept = await clean_pdf(saved(document(3)))
    assert is_pdf(kept)
    assert links_of(kept) == [LINK] * 3


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff", b"<html>%PDF-1.7", b"%PD"])
def test_what_is_called_a_pdf_is_none(data: bytes) -> None:
    assert not is_pdf(data)


@settings(max_examples=60)
@given(st.data())
def test_a_cut_or_altered_file_is_written_anew_or_refused(data: st.DataObject) -> None:
    made = document()
    for hide in (in_a_form, in_the_structure, around_a_picture):
        hide(made)
    whole = bytearray(saved(made, compress_streams=False))
    for _ in range(data.draw(st.integers(0, 6))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(Unusable):
        assert is_pdf(cleaned(bytes(whole)))
