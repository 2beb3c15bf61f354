"""Bodies as events: what each holds, how it reads with and without tags, within which limits."""

import json
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.markup import as_plain, clean
from bot.platforms.matrix.wording import (
    HEAVIEST,
    NOTHING,
    Place,
    as_matrix,
    in_place_of,
    in_thread,
    parts,
    poll,
    poll_end,
    text,
)
from bot.rendering import texts_for
from tests.conftest import NOW

BOT = "@preau:home.test"
TEXTS = texts_for("fr", ZoneInfo("Europe/Paris"))
ALONE, AMONG = Place(False, BOT, TEXTS), Place(True, BOT, TEXTS)
LARGEST_EVENT = 65_536  # bytes
ENVELOPE = 4_000  # bytes of an event that are not its content, at most

Choices = list[list[str]]


def body(markup: str = "", choices: Choices | None = None, *files: str, **more: Any) -> Any:
    kept = [[number, "Pièce jointe", media_type] for number, media_type in enumerate(files, 1)]
    return {"markup": markup, "choices": choices or [], "files": kept, **more}


def made(*given: Any, **more: Any) -> list[dict[str, Any]]:
    return parts(body(*given, **more), "DEVICE", NOW)


@pytest.mark.parametrize(
    ("markup", "formatted"),
    [
        ("Bonjour", "Bonjour"),
        ("Un\n\nDeux", "Un<br><br>Deux"),
        ("Un<br/>Deux", "Un<br>Deux"),
        ("<strong>Oui</strong> &amp; <em>non</em>", "<b>Oui</b> &amp; <i>non</i>"),
        ("<s>faux</s> <u>vrai</u>", "<del>faux</del> <u>vrai</u>"),
        ("<pre>a\n  b</pre>\nc", "<pre>a\n  b</pre><br>c"),
        ("Qui vote ?", "Qui vote\u202f?"),
        (
            '<a href="https://a.test/?x=1&amp;y">ici</a>',
            '<a href="https://a.test/?x=1&amp;y">ici</a>',
        ),
        ("<b>ouvert", "<b>ouvert</b>"),
        ("<script>x</script><img src=x>y", "xy"),
        ("&lt;b&gt;", "&lt;b&gt;"),
    ],
)
def test_only_the_tags_of_the_canonical_markup_are_left(markup: str, formatted: str) -> None:
    assert as_matrix(markup) == formatted


def test_the_plain_body_can_be_read_alone() -> None:
    content = text('<b>Été</b> &amp; <a href="https://a.test/">lire</a> ?', [], ALONE)
    assert content["body"] == "Été & lire (https://a.test/)\u202f?"
    assert content["format"] == "org.matrix.custom.html"
    assert content["m.mentions"] == {}


def test_what_nobody_asked_for_at_once_is_a_notice() -> None:
    assert text("Bonjour", [], ALONE)["msgtype"] == "m.text"
    assert text("Bonjour", [], ALONE, quiet=True)["msgtype"] == "m.notice"


def test_choices_are_numbered_lines_in_both_forms() -> None:
    content = text("Que faire ?", [["a:1", "Oui <b>"], ["a:2", "Non\n merci"], ["a:3", ""]], ALONE)
    assert content["body"] == "Que faire\u202f?\n\n1. Oui <b>\n2. Non merci\n3. …"
    assert content["formatted_body"] == (
        "Que faire\u202f?<br><br>1. Oui &lt;b&gt;<br>2. Non merci<br>3. …"
    )


def test_an_address_is_a_link_and_keeps_its_place() -> None:
    content = text("Lire", [["https://a.test/?a&b", "Le texte"], ["a:1", "Non"]], ALONE)
    assert content["body"] == "Lire\n\nLe texte (https://a.test/?a&b)\n2. Non"
    assert '<a href="https://a.test/?a&amp;b">Le texte</a>' in content["formatted_body"]


def test_in_a_group_no_ballot_is_offered_but_the_way_to_one_s_own_chat() -> None:
    choices = [["polls.vote:3:0", "Pour"], ["polls.vote:3:1", "Contre"], ["link:vote-3", "Privé"]]
    said = text("Qui est pour ?", choices, AMONG)["body"]
    assert "Pour\n" not in said
    assert "Contre" not in said
    assert said.count("https://matrix.to/#/@preau:home.test") == 1
    assert "votes" in said
    assert BOT in said


def test_in_a_group_other_numbers_are_those_of_all_the_choices() -> None:
    choices = [["polls.vote:3:0", "Pour"], ["meetings.answer:1:1:yes", "Je viens"], ["link:", "Là"]]
    said = text("", choices, AMONG)["body"]
    assert "2. Je viens" in said
    assert TEXTS.plain("matrix.room_numbers").replace(" !", "\u202f!") in said
    alone = text("", choices[1:], AMONG)["body"]
    assert "1. Je viens" in alone
    assert alone.endswith("Là (https://matrix.to/#/@preau:home.test)")


def test_each_file_is_an_event_and_the_text_comes_last_with_the_choices() -> None:
    choices = [["a:1", "Oui"]]
    first, second, last = made("Texte", choices, "image/png", "application/pdf", ballot="Q")
    assert [len(first["files"]), len(second["files"]), last["files"]] == [1, 1, []]
    assert (first["markup"], first["choices"], "ballot" in first) == ("", [], False)
    assert (last["markup"], last["choices"], last["ballot"]) == ("Texte", choices, "Q")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (body(), [NOTHING]),
        (body("", None, "image/png"), [""]),
        (body("", [["a:1", "Oui"]], "image/png"), ["", ""]),
        (body(" <b></b>"), [NOTHING]),
    ],
)
def test_where_nothing_is_said_only_what_is_there_is_sent(given: Any, said: list[str]) -> None:
    made = parts(given, "DEVICE", NOW)
    assert [one["markup"] for one in made] == said
    assert made[-1]["choices"] == given["choices"]


def test_each_part_says_since_when_and_from_where_it_may_have_been_sent() -> None:
    some = made("Un", [["a:1", "Oui"]], "image/png", ballot={"question": "Q"})
    assert {(one["device"], one["made_at"]) for one in some} == {("DEVICE", NOW.isoformat())}
    again = made("Un", [["a:1", "Oui"]], "image/png")
    ids = {one["tx"] for one in [*some, *again]}
    assert len(ids) == 4
    assert all(len(one) >= 24 for one in ids)
    assert some[-1]["ballot"] == {"question": "Q"}
    assert "ballot" not in some[0]


def heaviest(content: Any) -> int:
    """What a content weighs in an encrypted event, at most."""
    plain = {"type": "m.room.message", "room_id": "!" + "r" * 254, "content": content}
    return len(json.dumps(plain)) * 4 // 3 + ENVELOPE


@given(st.sampled_from(["été ", "a", "😀", "ا ب ", "&lt;\n\n"]), st.integers(4_000, 30_000))
@settings(max_examples=15)
def test_a_long_text_fits_into_events_and_nothing_of_it_is_lost(word: str, count: int) -> None:
    markup = "<b>" + word * count + "</b>"
    some = made(markup, [["a:1", "Oui"]])
    assert len(some) > 1 or len(json.dumps(as_matrix(markup))) <= HEAVIEST
    for one in some:
        content = text(one["markup"], one["choices"], AMONG)
        assert heaviest(in_place_of("$" + "e" * 43, content)) <= LARGEST_EVENT
    said = "".join(as_plain(one["markup"]) for one in some)
    assert "".join(said.split()) == "".join(as_plain(markup).split())


def test_a_long_text_is_split_at_a_paragraph() -> None:
    paragraph = "Une phrase de ce texte. " * 50
    first, *others = made("\n\n".join([paragraph] * 30))
    assert others
    assert first["markup"].endswith("ce texte.")
    assert len(first["markup"]) % len(paragraph + "\n") < 60


def test_choices_that_do_not_fit_beside_a_text_come_after_it() -> None:
    whole = "a" * (HEAVIEST - 100)
    first, last = made(whole, [[f"a:{n}", "Une réponse"] for n in range(10)])
    assert (first["markup"], first["choices"]) == (whole, [])
    assert (last["markup"], len(last["choices"])) == ("", 10)
    assert len(made(whole)) == 1


def test_an_edit_takes_the_place_of_an_event() -> None:
    content = text("Deux", [["a:1", "Oui"]], ALONE)
    edit = in_place_of("$one", content)
    assert edit["m.new_content"] == content
    assert edit["m.relates_to"] == {"rel_type": "m.replace", "event_id": "$one"}
    assert (edit["msgtype"], edit["body"]) == ("m.text", "* Deux\n\n1. Oui")
    assert "formatted_body" not in edit


def test_in_a_thread_it_falls_back_to_a_reply() -> None:
    relation = in_thread(text("Un", [], ALONE), "$root")["m.relates_to"]
    assert relation["rel_type"] == "m.thread"
    assert relation["event_id"] == relation["m.in_reply_to"]["event_id"] == "$root"
    assert relation["is_falling_back"] is True


def test_a_poll_has_the_choices_that_cast_a_ballot() -> None:
    choices = [["polls.vote:3:0", "Pour"], ["polls.vote:3:1", "Contre"], ["polls.result:3", "Lire"]]
    content = poll("Êtes-vous <pour> ?", choices, "$card")
    start = content["org.matrix.msc3381.poll.start"]
    assert [(one["id"], one["org.matrix.msc1767.text"]) for one in start["answers"]] == [
        ("polls.vote:3:0", "Pour"),
        ("polls.vote:3:1", "Contre"),
    ]
    assert start["kind"] == "org.matrix.msc3381.poll.disclosed"
    assert start["max_selections"] == 1
    assert start["question"]["body"] == "Êtes-vous <pour> ?"
    assert content["org.matrix.msc1767.text"] == "Êtes-vous <pour> ?\n1. Pour\n2. Contre"
    assert content["fr.preau.card"] == "$card"


def test_a_poll_is_ended_by_what_refers_to_it() -> None:
    content = poll_end("$poll", "Fini.")
    assert content["org.matrix.msc3381.poll.end"] == {}
    assert content["m.relates_to"] == {"rel_type": "m.reference", "event_id": "$poll"}
    assert content["org.matrix.msc1767.text"] == "Fini."


@given(st.text(st.sampled_from('<>&"bsa/pre ="\n!é😀'), max_size=60))
def test_whatever_the_markup_its_html_is_balanced(markup: str) -> None:
    formatted = as_matrix(markup)
    assert as_matrix(formatted.replace("del>", "s>")) == formatted
    assert bool(clean(as_plain(formatted))) == bool(clean(as_plain(formatted.replace("br", "b"))))
