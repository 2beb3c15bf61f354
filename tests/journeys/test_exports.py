"""The committee's tables as files: who may have them, what they say, and for how long."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from bot.organisations import COLUMNS
from bot.settings import Sensitive
from bot.tables import read_table
from scheduled import retention
from storage.audit import Filter
from storage.files import File
from storage.grants import Role
from storage.store import Store
from tests.conftest import SECRET
from tests.people import Answer, Guest, Someone, report
from tests.stage import Stage
from tests.test_cli import Preau, preau  # noqa: F401 (a fixture)

MEMBERS = ("organisation", "nom de l'organisation", "personne", "mandat", "depuis le", "jusqu'au")
FORMULA = '=HYPERLINK("https://example.org")'


async def asked(stage: Stage, someone: Someone, table: str) -> Answer:
    """Ask for a table; what comes then, and a moment later."""
    await someone.say("exporter")
    answer = await someone.press(table)
    await stage.advance(timedelta(seconds=1))
    return Answer([*answer.events, *(await someone.look()).events])


async def received(stage: Stage, someone: Someone, table: str) -> bytes:
    [file] = (await asked(stage, someone, table)).files
    assert file["type"] == "text/csv"
    status, data = await someone.fetch(file)
    assert status == 200
    return data


async def named(stage: Stage, person: int, name: str) -> None:
    def name_them(store: Store) -> None:
        store.people.get(person).name = name

    await stage.db.write(name_them)


async def noted(stage: Stage) -> list[tuple[str, str, Any]]:
    """What was noted of exports, the oldest first: the act, what it was about, and its details."""

    def read(store: Store) -> list[tuple[str, str, Any]]:
        found = store.audit.latest(Filter(noun="exports"))
        return [(one.act, one.about, store.audit.details_of(one)) for one in reversed(found)]

    return await stage.db.read(read)


@pytest.mark.everywhere
async def test_the_mandates_come_with_names_and_no_formula(stage: Stage) -> None:
    await stage.organisation("amf", "AMF")
    await stage.invited(Role.delegate, "amf")
    await named(stage, 1, FORMULA)
    secretary = await stage.invited(Role.secretariat)
    told = await secretary.say("exporter")
    assert "Que voulez-vous exporter ?" in told
    data = await received(stage, secretary, "Les mandats, avec les noms")
    assert f"'{FORMULA}".replace('"', '""') in data.decode(), "no spreadsheet runs it"
    lines, faults = read_table(data, MEMBERS)
    assert faults == []
    [line] = [tuple(one.cells.values()) for one in lines]
    assert line == ("amf", "AMF", FORMULA, "titulaire", "2027-01-11", "")
    assert "Il contient des noms" in "".join(str(one["text"]) for one in secretary.seen)
    assert await noted(stage) == [
        ("exports.asked", "export:members", None),
        ("exports.made", "export:members", {"rows": 1}),
    ]
    journal = await secretary.say("journal")
    assert "export préparé (Les mandats, avec les noms), par vous, à l'heure prévue" in journal


@pytest.mark.web
async def test_what_goes_out_comes_in_again(
    stage: Stage,
    tmp_path: Path,
    preau: Preau,  # noqa: F811
) -> None:
    await stage.organisation("amf", "AMF;=1+1, -maires")
    await stage.organisation("adf", "'+Départements")
    administrator = await stage.guest(Role.administrator)
    data = await received(stage, administrator, "Les organisations")
    lines, _ = read_table(data, COLUMNS)
    assert [one.cells["nom"] for one in lines] == ["'+Départements", "AMF;=1+1, -maires"]
    assert '"AMF;\'=1+1, -maires"' in data.decode(), "nor where ; parts cells"
    (tmp_path / "out.csv").write_bytes(data)
    url = stage.settings.database_url
    where = {"DATABASE_URL": url, "SECRET_KEY": SECRET}
    said = preau("import", "organisations", "out.csv", "--dry-run", **where)
    unchanged = ["unchanged: adf, amf", "dry run: nothing was changed"]
    assert said.out.splitlines()[-2:] == unchanged
    assert preau("export", "organisations", **where).out.encode() == data


@pytest.mark.web
async def test_of_reports_only_what_is_public_is_said(stage: Stage) -> None:
    parent, secretary = await stage.guest(), await stage.guest(Role.secretariat)
    await named(stage, 1, "Ada Girafon")
    await report(parent, "=1+1 fois par jour, le réseau tombe.\n- Et il revient. " * 3)
    await secretary.say("modérer")
    await secretary.press("Lire le suivant")
    await secretary.press("Publier")
    await report(parent, "Un récit que personne n'a encore lu, dans la cour. " * 3)
    data = (await received(stage, secretary, "Les témoignages")).decode("utf-8-sig")
    header, public, waits = data.splitlines()
    assert header.startswith("numéro;reçu;profil;académie;thème;")
    about = "2027-01-11;Parent d'élève;La Réunion;Le réseau et le matériel;Une expérience vécue"
    assert public.startswith(f"REX-2027-00001;{about};publié;tout le monde;")
    assert ";'=1+1 fois par jour, le réseau tombe. - Et" in public.replace('"', "")
    assert waits == f"REX-2027-00002;{about};pas encore lu;tout le monde;;;;"
    assert "Girafon" not in data


@pytest.mark.web
async def test_a_table_goes_with_what_it_says_and_after_a_week(stage: Stage) -> None:
    await stage.organisation("amf", "AMF")
    delegate, parent = await stage.guest(Role.delegate, "amf"), await stage.guest()
    secretary = await stage.guest(Role.secretariat)
    await report(parent)
    [reports] = (await asked(stage, secretary, "Les témoignages")).files
    [members] = (await asked(stage, secretary, "Les mandats")).files
    [names] = (await asked(stage, secretary, "Les organisations")).files
    for stranger in (delegate, parent):
        assert (await stranger.fetch(members))[0] == 404, "its address is good for who asked"
    now = stage.clock.now()
    await stage.db.write(lambda store: store.erase(2, now))
    await stage.settle()
    found = [(await secretary.fetch(one))[0] for one in (reports, members, names)]
    assert found == [404, 200, 200]
    assert "Les mandats" in "".join(str(one) for one in await shown(secretary))
    await stage.db.write(lambda store: store.erase(1, now))
    assert "Les mandats" not in "".join(str(one) for one in await shown(secretary))
    assert (await secretary.fetch(members))[0] == 404
    await stage.advance(timedelta(days=8))
    await stage.db.write(lambda store: retention.sweep(store, stage.clock.now()))
    left = await stage.db.read(lambda store: store.session.scalars(select(File.media_type)).all())
    assert left == []


async def shown(guest: Guest) -> list[dict[str, Any]]:
    """What stands on the page, as it would be loaded now."""
    async with guest.http.get(f"{guest.base}/api/v1/history?before=40") as answer:
        return [one for one in (await answer.json())["events"] if one["files"]]


@pytest.mark.everywhere
async def test_a_second_person_agrees_and_only_who_asked_receives(stage: Stage) -> None:
    stage.settings.second_person.append(Sensitive.export)
    first = await stage.invited(Role.secretariat)
    assert "Personne d'autre ne peut le donner." in await asked(stage, first, "Les organisations")
    second = await stage.invited(Role.administrator)
    for answer, count in (("Non, ne pas le faire", 0), ("Oui, je suis d'accord", 1)):
        waits = await asked(stage, first, "Les organisations")
        assert "demande l'accord d'une seconde personne" in waits
        assert waits.files == []
        assert "exporter : les organisations" in await second.look()
        await second.press(answer)
        await stage.advance(timedelta(seconds=1))
        assert (await second.look()).files == []
        assert len((await first.look()).files) == count
    acts = [act for act, _, _ in await noted(stage)]
    assert acts == ["exports.asked", "exports.made"]


@pytest.mark.web
async def test_whose_role_ends_meanwhile_receives_nothing(stage: Stage) -> None:
    secretary, other = await stage.guest(Role.secretariat), await stage.guest(Role.administrator)
    [file] = (await asked(stage, secretary, "Les organisations")).files
    assert (await secretary.fetch(file))[0] == 200
    unsigned = await stage.unsigned(1)
    assert (await unsigned.fetch(file))[0] == 404, "no role counts in that session"
    await secretary.say("exporter")
    button = secretary.button("Les témoignages")
    await secretary.press_again(button)
    await stage.db.write(lambda store: store.grants.end(1, stage.clock.now()))
    await stage.advance(timedelta(seconds=1))
    assert (await secretary.look()).files == []
    assert await stage.db.read(lambda store: store.exports.next_waiting()) is None
    assert (await secretary.fetch(file))[0] == 404
    for again in (await secretary.press_again(button), await secretary.say("exporter")):
        assert "Votre compte ne permet pas cette action." in again
    assert "Exporter un tableau" in (await other.say("aide")).labels
