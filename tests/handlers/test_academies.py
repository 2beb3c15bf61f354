"""Any name that people have for where they are finds their académie."""

import csv
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.academies import names
from bot.messages import Words
from handlers import academies


def rows(table: str) -> list[dict[str, str]]:
    text = (files("handlers") / "data" / f"{table}.csv").read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


def found(typed: str) -> list[str]:
    return [names()[code] for code in academies.search(typed)]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("St Pierre et Miquelon", "Saint-Pierre-et-Miquelon (service de l'éducation nationale)"),
        ("St Martin", "Guadeloupe"),
        ("St Barth", "Guadeloupe"),
        ("974 La Réunion", "La Réunion"),
        ("97400", "La Réunion"),
        ("Tahiti", "Polynésie française (vice-rectorat)"),
        ("le 93", "Créteil"),
        ("93200", "Créteil"),
        ("Seine St Denis", "Créteil"),
        ("Bretagne", "Rennes"),
        ("Alsace", "Strasbourg"),
        ("Lorraine", "Nancy-Metz"),
        ("Département de la Gironde", "Bordeaux"),
        ("Rouen", "Normandie"),
        ("Caen", "Normandie"),
        ("20", "Corse"),
        ("2A", "Corse"),
        ("2b", "Corse"),
        ("20200", "Corse"),
        ("01", "Lyon"),
        ("creteille", "Créteil"),
        ("Toulouze", "Toulouse"),
        ("versaille", "Versailles"),
        ("l'académie de Lyon", "Lyon"),
        ("j'habite à Lyon", "Lyon"),
        ("Aix Marseille", "Aix-Marseille"),
        ("Nancy", "Nancy-Metz"),
        ("clermont", "Clermont-Ferrand"),
        ("MAYOTTE", "Mayotte"),
    ],
)
def test_what_people_type_finds_one(typed: str, expected: str) -> None:
    assert found(typed) == [expected]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("Île-de-France", ["Créteil", "Paris", "Versailles"]),
        ("l'Île-de-France", ["Créteil", "Paris", "Versailles"]),
        ("IDF", ["Créteil", "Paris", "Versailles"]),
        ("PACA", ["Aix-Marseille", "Nice"]),
        ("Occitanie", ["Montpellier", "Toulouse"]),
    ],
)
def test_a_region_offers_its_own(typed: str, expected: list[str]) -> None:
    assert found(typed) == expected


@pytest.mark.parametrize(
    "typed", ["", "1", "9", "zzz", "la", "l'académie de", "12345678", "é" * 101]
)
def test_what_names_no_place_finds_nothing(typed: str) -> None:
    assert found(typed) == []


def test_every_name_and_number_of_the_tables_finds_its_own() -> None:
    for row in rows("academies"):
        assert academies.search(row["name"]) == [row["code"]], row
        if row["region"]:
            assert row["code"] in academies.search(row["region"]), row
    for row in rows("departements"):
        for typed in (row["nom"], row["code_departement"], f"le {row['code_departement']}"):
            assert academies.search(typed) == [row["code_academie"]], row


def test_every_place_finds_the_academies_of_its_departements() -> None:
    departements = {row["code_departement"]: row["code_academie"] for row in rows("departements")}
    for row in rows("places"):
        expected = {departements[one] for one in row["departements"].split()}
        assert set(academies.search(row["place"])) == expected, row


@pytest.mark.parametrize(
    ("typed", "name", "arguments"),
    [
        ("St Martin", "academie_found", {"place": "Saint-Martin", "name": "Guadeloupe"}),
        ("978", "academie_found", {"place": "Saint-Martin", "name": "Guadeloupe"}),
        ("33", "academie_found", {"place": "Gironde", "name": "Bordeaux"}),
        ("versailles", "academie_understood", {"name": "Versailles"}),
        ("20", "academie_understood", {"name": "Corse"}),
        ("988", "academie_understood", {"name": "Nouvelle-Calédonie"}),
    ],
)
def test_what_was_understood_is_said(typed: str, name: str, arguments: dict[str, str]) -> None:
    [code] = academies.search(typed)
    assert academies.explain(typed, code) == Words(f"reports.{name}", arguments)


@given(st.text(max_size=150))
def test_any_text_is_searched(typed: str) -> None:
    for code in academies.search(typed):
        assert academies.name_of(code)
        academies.explain(typed, code)
