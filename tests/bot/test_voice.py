"""Voice notes: known by their content, and kept without a trace of who made them, but the sound."""

import contextlib
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.texts import SOURCE
from bot.voice import LARGEST, LONGEST, Reason, UnusableVoice, clean_voice, is_voice
from tests.test_locales import signatures
from tests.voices import (
    FIRST,
    LAST,
    SECRETS,
    SERIAL,
    SILENCE,
    Page,
    head,
    laced,
    pages,
    read,
    tags,
    voice_note,
    written,
)

NOTE = voice_note()


def reason_for(data: bytes) -> Reason:
    with pytest.raises(UnusableVoice) as refused:
        clean_voice(data)
    return refused.value.reason


def test_the_sound_stays_and_nothing_else() -> None:
    kept = read(clean_voice(NOTE))
    before = read(NOTE)
    assert kept[0].packets == [head(rate=48_000)]
    assert kept[1].packets == [b"OpusTags" + bytes(8)]
    assert [(one.granule, one.body) for one in kept[2:]] == [
        (one.granule, one.body) for one in before[2:]
    ]
    assert [one.flags for one in kept] == [FIRST, 0, 0, LAST]
    assert [one.number for one in kept] == [0, 1, 2, 3]
    assert {one.serial for one in kept} == {1}


def test_it_says_neither_who_nor_with_what() -> None:
    picture = b"metadata_block_picture=" + b"une ecole " * 9000  # of two pages
    data = written(pages(comments=tags(comments=(b"ARTIST=Madame Untel", picture))))
    data += written(pages(comments=tags()))  # a second stream after the end of the first
    data += b"une ecole"
    assert all(secret in data for secret in SECRETS)
    kept = clean_voice(data)
    assert not any(secret in kept for secret in SECRETS)
    assert SERIAL.to_bytes(4, "little") not in kept
    assert kept == clean_voice(NOTE), "the same sound, the same file"


def test_what_is_clean_stays_as_it_is() -> None:
    once = clean_voice(NOTE)
    assert clean_voice(once) == once


def test_stereo_is_taken() -> None:
    assert read(clean_voice(written(pages(first=head(channels=2)))))[0].body[9] == 2


def test_an_end_that_was_never_marked_is_marked() -> None:
    assert clean_voice(written(pages(ends=False))) == clean_voice(NOTE)


def test_an_end_may_stand_on_a_page_of_its_own() -> None:
    *before, last = pages()
    end = Page(LAST, last.granule, SERIAL, last.number + 1, b"", b"")
    kept = read(clean_voice(written([*before, replace(last, flags=0), end])))
    assert (kept[-1].flags, kept[-1].body) == (LAST, b"")
    assert kept[-2].flags == 0


def test_a_packet_may_go_on_in_the_next_page() -> None:
    long = Page(0, -1, SERIAL, 2, b"\xff" * 2, b"a" * 510)
    rest = Page(LAST | 1, 960, SERIAL, 3, b"\x03", b"bcd")
    kept = read(clean_voice(written([*pages()[:2], long, rest])))
    assert [one.flags for one in kept[2:]] == [0, LAST | 1]
    assert b"".join(one.body for one in kept[2:]) == b"a" * 510 + b"bcd"


def test_ten_minutes_are_taken_and_no_more() -> None:
    whole = written(pages(LONGEST))
    assert len(read(clean_voice(whole))) == 2 + LONGEST
    assert reason_for(written(pages(LONGEST + 0.02))) is Reason.too_long


def changed(rank: int, **changes: object) -> bytes:
    """A voice note with one page changed, its checksum right again."""
    some = pages()
    some[rank] = replace(some[rank], **changes)  # type: ignore[arg-type]
    return written(some)


def flipped(at: int) -> bytes:
    data = bytearray(NOTE)
    data[at] ^= 1
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", Reason.not_a_voice_note),
        (b"\xff\xd8\xff", Reason.not_a_voice_note),
        (b"ID3\x04 OggS", Reason.not_a_voice_note),
        (written(pages(first=b"\x01vorbis" + bytes(23))), Reason.not_a_voice_note),
        (written(pages(first=head(channels=6, family=1) + bytes(8))), Reason.not_a_voice_note),
        (written(pages(first=head(channels=0))), Reason.not_a_voice_note),
        (written(pages(first=head(version=16))), Reason.not_a_voice_note),
        (written([pages()[0], pages(serial=7)[0], *pages()[1:]]), Reason.not_a_voice_note),
        (changed(3, serial=7), Reason.not_a_voice_note),
        (b"OggS" + bytes(LARGEST), Reason.too_heavy),
        (b"OggS", Reason.damaged),
        (NOTE[:-1], Reason.damaged),
        (flipped(6), Reason.damaged),
        (flipped(len(NOTE) - 1), Reason.damaged),
        (written(pages()[:1]), Reason.damaged),
        (written(pages()[:2]), Reason.damaged),
        (written(pages(first=head()[:18])), Reason.damaged),
        (written(pages(comments=SILENCE)), Reason.damaged),
        (written([pages()[0], *pages()]), Reason.damaged),
        (changed(0, flags=0), Reason.damaged),
        (changed(1, sizes=laced([tags(), SILENCE])[0], body=tags() + SILENCE), Reason.damaged),
        (changed(2, flags=1), Reason.damaged),
        (changed(2, granule=-1), Reason.damaged),
        (changed(2, granule=2**60), Reason.damaged),
        (changed(2, sizes=b"", body=b""), Reason.damaged),
        (changed(3, granule=5), Reason.damaged),
        (changed(3, granule=2**60), Reason.too_long),
        (changed(3, sizes=b"\xff", body=bytes(255)), Reason.damaged),
        (written([*pages()[:2], Page(LAST, 0, SERIAL, 2, b"", b"")]), Reason.damaged),
        (written(pages(600.02, per_page=1)), Reason.too_long),
    ],
)
def test_why_it_is_refused(data: bytes, reason: Reason) -> None:
    assert reason_for(data) is reason


def test_it_is_known_by_its_content() -> None:
    assert is_voice(NOTE)
    assert not any(is_voice(data) for data in (b"", b"Ogg", b"RIFF OggS", b"%PDF-1.7"))


def test_each_reason_has_its_words() -> None:
    assert {f"voice_{reason}" for reason in Reason} <= signatures(SOURCE, "forms").keys()


@settings(max_examples=200)
@given(st.data())
def test_a_cut_or_altered_file_is_a_voice_note_or_refused(data: st.DataObject) -> None:
    whole = bytearray(NOTE)
    for _ in range(data.draw(st.integers(0, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    try:
        kept = clean_voice(cut)
    except UnusableVoice:
        return
    assert not any(secret in kept for secret in SECRETS)
    read(kept)


@settings(max_examples=300)
@given(st.data())
def test_pages_of_any_kind_are_a_voice_note_or_refused(data: st.DataObject) -> None:
    """Each checksum is right: what is read further in is reached."""
    some = pages(3)
    for _ in range(data.draw(st.integers(1, 3))):
        rank = data.draw(st.integers(0, len(some) - 1))
        sizes = data.draw(st.binary(max_size=4))
        anything: dict[str, object] = {
            "flags": data.draw(st.integers(0, 7)),
            "granule": data.draw(st.integers(-(2**63), 2**63 - 1)),
            "serial": data.draw(st.sampled_from([SERIAL, 7])),
            "sizes": sizes,
            "body": bytes(sum(sizes)),
        }
        names = data.draw(st.sets(st.sampled_from(["flags", "granule", "serial", "sizes"])))
        names |= {"body"} if "sizes" in names else set()
        some[rank] = replace(some[rank], **{name: anything[name] for name in names})  # type: ignore[arg-type]
    some = data.draw(st.permutations(some)) if data.draw(st.booleans()) else some
    try:
        kept = read(clean_voice(written(some)))
    except UnusableVoice:
        return
    assert [one.number for one in kept] == list(range(len(kept)))
    assert kept[-1].flags & LAST
    positions = [one.granule for one in kept if one.granule != -1]
    assert positions == sorted(positions)


@pytest.mark.parametrize(
    "data",
    [
        voice_note() + bytes(LARGEST - len(NOTE)),
        written([*pages()[:2], Page(0, 0, SERIAL, 2, b"\x00", b"")]) * 20_000,
        written(pages()[:2]) + Page(0, 0, SERIAL, 2, b"\x00", b"").written() * 100_000,
        written(pages()[:2]) + Page(0, 0, SERIAL, 2, bytes(255), b"").written() * 11_000,
        written(pages(comments=tags(comments=(b"a" * (LARGEST - 50_000),)))),
    ],
    ids=["much after the end", "many streams", "many pages", "many packets", "long comments"],
)
def test_a_hostile_file_takes_little_time(data: bytes) -> None:
    began = time.process_time()
    with contextlib.suppress(UnusableVoice):
        clean_voice(data[:LARGEST])
    assert time.process_time() - began < 2
