"""What may tell who somebody is is found wherever it stands, and nothing else is touched."""

import re
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.masking import Kind, find, label, left_in, mask
from storage.reports import Report

LETTERS = st.characters(categories=["Ll", "Lu", "Po", "Zs", "Sm"], exclude_characters="@+.%'-_/=:")
AROUND = st.text(LETTERS, max_size=40)
DIGIT = st.integers(0, 9).map(str)


def digits(count: int) -> st.SearchStrategy[str]:
    return st.text("0123456789", min_size=count, max_size=count)


@st.composite
def phones(draw: st.DrawFn) -> str:
    """A French number, of the mainland or overseas, or one with its country."""
    gap = draw(st.sampled_from(["", " ", ".", "-", "\u00a0"]))
    pairs = [draw(digits(2)) for _ in range(4)]
    first = draw(st.sampled_from("123456789"))
    begin = draw(st.sampled_from(["0", "+33", "+33 ", "0033", "+262 ", "+590", "+687 "]))
    return begin + gap.join([first, *pairs] if begin != "0" else [first + pairs[0][:0], *pairs])


@st.composite
def emails(draw: st.DrawFn) -> str:
    name = draw(st.from_regex(r"[a-z][a-z0-9.+-]{0,20}[a-z0-9]", fullmatch=True))
    host = draw(st.from_regex(r"[a-z]{2,10}(-[a-z]{2,5})?\.[a-z]{2,6}", fullmatch=True))
    return f"{name}@{host}"


school_ids = st.builds(lambda number, letter: number + letter, digits(7), st.sampled_from("ABCZ"))


def covers(text: str, start: int, end: int) -> bool:
    return any(piece.start <= start and end <= piece.end for piece in find(text))


@given(AROUND, st.one_of(phones(), emails(), school_ids), AROUND)
def test_it_is_found_whatever_surrounds_it(before: str, secret: str, after: str) -> None:
    text = before + secret + after
    assert covers(text, len(before), len(before) + len(secret))
    assert secret not in mask(text)


@given(AROUND, st.one_of(phones(), emails(), school_ids), AROUND)
@example("voir M. ", "Strauß", " et STRAUSS")
@example("tél", "0612345678", "ou")
@example("voir M.\u00a0", "Dupont", "")
def test_what_a_reader_masks_is_not_published(before: str, secret: str, after: str) -> None:
    report = Report(title="", story=before + secret + after)
    report.masked = [[words, mark] for words, mark in left_in(report).items()]
    assert secret not in report.publicly(report.story)


@given(st.text("a", min_size=100, max_size=300))
def test_an_address_after_a_long_word_is_found(before: str) -> None:
    assert "@" not in mask(f"{before}x@example.org")


@given(st.one_of(st.text(), st.lists(st.one_of(phones(), emails(), AROUND)).map(" ".join)))
@example("Mme Dupont, M. Martin et Zoé Petit du collège Jules Ferry (0750001A).")
def test_masking_twice_masks_once_and_touches_nothing_else(text: str) -> None:
    pieces = find(text)
    masked = mask(text)
    left, position = [], 0
    for piece in pieces:
        assert text[piece.start : piece.end] == piece.text
        left.append(text[position : piece.start])
        position = piece.end
    left.append(text[position:])
    labels = [label(piece.kind) for piece in pieces]
    expected = "".join(f"{one}{mark}" for one, mark in zip(left, [*labels, ""], strict=True))
    assert masked == expected
    assert mask(masked) == masked


@pytest.mark.parametrize(
    ("said", "kind", "text"),
    [
        ("Appelez le 06 12 34 56 78 ce soir", Kind.phone, "06 12 34 56 78"),
        ("à La Réunion : 0692.12.34.56", Kind.phone, "0692.12.34.56"),
        ("depuis l'étranger, +33 (0)6 12 34 56 78", Kind.phone, "+33 (0)6 12 34 56 78"),
        ("à Nouméa, tél. 24 12 34", Kind.phone, "24 12 34"),
        ("j.dupont@ac-lille.fr répond", Kind.email, "j.dupont@ac-lille.fr"),
        ("sur Telegram @zoe_petit", Kind.handle, "@zoe_petit"),
        ("sur Tchap @zoe:agent.tchap.gouv.fr", Kind.handle, "@zoe:agent.tchap.gouv.fr"),
        ("https://t.me/zoe_petit", Kind.handle, "t.me/zoe_petit"),
        ("https://www.facebook.com/zoe.petit", Kind.link, "https://www.facebook.com/zoe.petit"),
        ("l'école 0750001A", Kind.school_id, "0750001A"),
        ("FR76 3000 6000 0112 3456 7890 189", Kind.bank, "FR76 3000 6000 0112 3456 7890 189"),
        ("né : 1 85 05 78 006 084 36", Kind.national, "1 85 05 78 006 084 36"),
        ("la classe de Mme Dupont-Durand a", Kind.name, "Dupont-Durand"),
        ("avec Monsieur de La Tour hier", Kind.name, "de La Tour"),
        ("la classe de mme dupont a", Kind.name, "dupont"),
        ("hier PETIT Zoé a pleuré", Kind.name, "PETIT Zoé"),
        ("hier Zoé Petit a pleuré", Kind.name, "Zoé Petit"),
        ("hier Zoé PETIT a pleuré", Kind.name, "Zoé PETIT"),
        ("au collège Jules Ferry on", Kind.school, "Jules Ferry"),
        ("à l'école primaire de la Croix Rouge", Kind.school, "de la Croix Rouge"),
        ("au Lycée d'Arsonval", Kind.school, "d'Arsonval"),
        ("ma classe de 5e B a", Kind.school_class, "5e B"),
        ("en CM2 A, et", Kind.school_class, "CM2 A"),
        ("avec la 3ème 4 hier", Kind.school_class, "3ème 4"),
    ],
)
def test_what_is_found(said: str, kind: Kind, text: str) -> None:
    assert [(piece.kind, piece.text) for piece in find(said)] == [(kind, text)]


@pytest.mark.parametrize(
    "said",
    [
        "Nous avons prêté des tablettes à une classe de sixième. Le réseau tombait.",
        "Le Conseil Régional et Microsoft Teams, en Seine-Saint-Denis. Depuis Noël.",
        "Le 14/01/2027 à 18 h 30, 25 élèves sur 1 200, à 12 000 euros en 2026-2027.",
        "Voyez https://www.education.gouv.fr/le-numerique?page=2 pour la suite.",
        "En 5e, les 3e et la 6ème ; une 4e Alpha, en CM2 à Lyon, la 5e 25 fois, en 5e C'est dur.",
        "Mon école. Nous avons trois ordinateurs. La Réunion est loin.",
        "Le lycée professionnel a la fibre, monsieur le maire aussi.",
        "M. le maire et Mme la rectrice. Les ENT, les DSI et les AESH. La DSDEN, Académie de Lyon.",
    ],
)
def test_what_is_nobody_s_is_left(said: str) -> None:
    assert find(said) == []


HARD = [
    "a" * 10_000,
    "A" * 10_000,
    "Aa " * 3_300,
    "@" * 10_000,
    "a@" * 5_000,
    "@a." * 3_300,
    "a.a@a." * 1_600,
    "0" * 10_000,
    "0 1 " * 2_500,
    "+" * 10_000,
    "+1 (" * 2_500,
    "FR76 " * 2_000,
    "école " * 1_600,
    "Mme " * 2_500,
    "https://" * 1_250,
    "https://a?" + "a" * 9_990,
    "https://a?" + "&nom" * 2_400,
    "A-a" * 3_300,
    "d'" * 5_000,
    "1" + " 2" * 4_999,
]


def takes(text: str) -> float:
    """The seconds it takes: the best of three, as a collection of garbage may fall into one."""

    def once() -> float:
        began = time.thread_time()
        find(text)
        return time.thread_time() - began

    return min(once() for _ in range(3))


@pytest.mark.parametrize("text", HARD, ids=lambda text: text[:12])
def test_no_text_takes_long(text: str) -> None:
    assert takes(text) < 0.05


@settings(max_examples=60)
@given(
    st.lists(
        st.sampled_from(re.findall(r"\S+ ?|\s", " ".join(HARD[i][:40] for i in range(len(HARD))))),
        min_size=200,
        max_size=400,
    ).map(lambda parts: ("".join(parts) * 40)[:10_000])
)
def test_nor_does_a_mixture_of_them(text: str) -> None:
    assert takes(text) < 0.05
