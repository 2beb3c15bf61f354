"""`preau import` and `preau export`: what would change is said, and nothing is half imported."""

from pathlib import Path

import pytest
from sqlalchemy import select

from bot.organisations import signatories
from storage.audit import AuditDetails, AuditEntry
from storage.database import Database
from storage.organisations import Organisation
from tests.conftest import SECRET
from tests.test_cli import Preau, line_of, migrated, preau  # noqa: F401 (fixtures)

HEADER = "id;depuis;jusqu_a;nom;nom_court;signataire;college"
AMF = "amf;2015-10-01;;Association des maires;AMF;oui;collectivites"
ADF = "adf;2015-10-01;;Assemblée des Départements;ADF;oui;"


def table(path: Path, *rows: str) -> str:
    path.write_text("\n".join([HEADER, *rows, ""]))
    return path.name


def exported(preau: Preau, **where: str) -> list[str]:  # noqa: F811
    said = preau("export", "organisations", **where)
    assert (said.code, said.err) == (0, "")
    return said.out.removeprefix("\ufeff").splitlines()


def test_what_goes_in_comes_out(migrated: Preau, tmp_path: Path) -> None:  # noqa: F811
    dry = migrated("import", "organisations", "--signatories", "--dry-run")
    assert (dry.code, dry.err) == (0, "")
    assert dry.out.splitlines()[-1] == "dry run: nothing was changed"
    assert len(dry.out.splitlines()) == 12
    assert exported(migrated) == [HEADER]
    done = migrated("import", "organisations", "--signatories")
    assert done.out.splitlines() == [*dry.out.splitlines()[:-1], "11 organisations imported"]
    assert migrated("export", "organisations", "out.csv").code == 0
    assert (tmp_path / "out.csv").read_bytes() == signatories()
    again = migrated("import", "organisations", "out.csv")
    assert again.out.startswith("unchanged: adf, amf, ")
    assert again.out.splitlines()[1:] == ["0 organisations imported"]


@pytest.mark.servers
def test_on_postgresql_too(migrated: Preau, tmp_path: Path, postgresql_url: str) -> None:  # noqa: F811
    def preau(*arguments: str) -> str:  # noqa: F811
        said = migrated(*arguments, DATABASE_URL=postgresql_url)
        assert (said.code, said.err) == (0, "")
        return said.out

    preau("import", "organisations", "--signatories")
    preau("export", "organisations", "out.csv")
    assert (tmp_path / "out.csv").read_bytes() == signatories()
    shorter = table(tmp_path / "one.csv", ADF)
    assert preau("import", "organisations", shorter).startswith("renamed: adf, ")
    assert ADF in exported(migrated, DATABASE_URL=postgresql_url)


def test_it_says_what_changes(migrated: Preau, tmp_path: Path) -> None:  # noqa: F811
    migrated("import", "organisations", table(tmp_path / "one.csv", AMF, ADF))
    changed = table(
        tmp_path / "two.csv",
        "adf;2015-10-01;2022-01-01;Assemblée des Départements;ADF;oui;collectivites",
        "adf;2022-01-01;;Départements de France;DF;oui;collectivites",
        "avi;2015-10-01;2026-01-01;Villes Internet;AVI;non;",
    )
    told = migrated("import", "organisations", changed).out.splitlines()
    before, after = "Assemblée des Départements (ADF)", "Départements de France (DF)"
    avi = "Villes Internet (AVI) from 2015-10-01 to 2026-01-01"
    assert told == [
        f"renamed: adf, {before} from 2015-10-01 to 2022-01-01; {after} from 2022-01-01",
        "college changed: adf, from none to collectivites",
        f"added: avi, {avi}, associated, college none",
        "not in the table, left as they are: amf",
        "2 organisations imported",
    ]
    ended = AMF.replace(";;", ";2027-01-01;", 1).replace("oui", "non")
    said = migrated("import", "organisations", table(tmp_path / "three.csv", ended))
    assert said.out.splitlines()[:2] == [
        "ended: amf, on 2027-01-01",
        "signatory changed: amf, associated, college collectivites",
    ]
    kept = exported(migrated)
    assert ended in kept
    assert len(kept) == 5


def test_what_is_wrong_is_said_line_by_line(migrated: Preau, tmp_path: Path) -> None:  # noqa: F811
    wrong = table(tmp_path / "wrong.csv", AMF, "amf;hier;;;AMF;oui;", "ADF;2015-10-01;;A;A;si;")
    said = migrated("import", "organisations", wrong)
    assert said.code == 1
    assert said.err.splitlines() == [
        "preau: wrong.csv: line 3: college: not as in line 2",
        "preau: wrong.csv: line 3: depuis: hier is not a date (2015-10-01 or 01/10/2015)",
        "preau: wrong.csv: line 3: nom: empty",
        "preau: wrong.csv: line 4: id: only a-z, 0-9 and hyphens, 40 at most",
        "preau: wrong.csv: line 4: signataire: si is neither oui nor non",
        "preau: 5 problems in wrong.csv: nothing was imported",
    ]
    assert exported(migrated) == [HEADER]


@pytest.mark.parametrize(
    "row",
    [
        ADF.encode("mac-roman").decode("cp1252").encode(),
        ADF.encode("mac-roman"),
        ADF.replace("Départements", "Réseau").encode().decode("cp1252").encode(),
        ADF.replace("Assemblée", "Académie à l’Œuvre").encode().decode("cp1252").encode(),
        ADF.encode("utf-8").decode("latin-1").encode(),
        ADF.replace("é", "\x82").encode(),
    ],
)
def test_broken_letters_are_refused(
    migrated: Preau,  # noqa: F811
    tmp_path: Path,
    row: bytes,
) -> None:
    (tmp_path / "broken.csv").write_bytes(f"{HEADER}\n{AMF}\n".encode() + row + b"\n")
    said = migrated("import", "organisations", "broken.csv")
    assert said.code == 1
    assert said.err.startswith("preau: broken.csv: line 3: letters that were read in a wrong")
    assert exported(migrated) == [HEADER]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_french_letters_are_no_broken_ones(
    migrated: Preau,  # noqa: F811
    tmp_path: Path,
    encoding: str,
) -> None:
    name = "Éducation à l’Œuvre, « Pâques », Škola Ž., Dušan – ça dût, Âge, CÔTÉ, Ÿ, 5 €"
    whole = f"{HEADER}\nadf;2015-10-01;;{name};ADF;oui;\n"
    (tmp_path / "whole.csv").write_bytes(whole.encode(encoding))
    said = migrated("import", "organisations", "whole.csv")
    assert (said.code, said.err) == (0, "")
    assert name in exported(migrated)[1]


def test_a_failure_half_way_leaves_nothing(
    migrated: Preau,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Fails(RuntimeError):
        pass

    def fail(*_: object, **__: object) -> None:
        raise Fails

    monkeypatch.setattr("storage.audit.Audit.add", fail)
    with pytest.raises(Fails):
        migrated("import", "organisations", table(tmp_path / "one.csv", AMF))
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    db = Database(f"sqlite:///{tmp_path / 'preau.db'}", [SECRET])
    db.open()
    assert db.read_now(lambda store: store.session.scalars(select(Organisation)).all()) == []
    db.close()


def test_it_is_noted_if_it_changed_anything(migrated: Preau, tmp_path: Path) -> None:  # noqa: F811
    name = table(tmp_path / "one.csv", AMF)
    for arguments in ([name, "--dry-run"], [name], [name]):
        assert migrated("import", "organisations", *arguments).code == 0
    db = Database(f"sqlite:///{tmp_path / 'preau.db'}", [SECRET])
    db.open()
    entries, details = db.read_now(
        lambda store: (
            [
                (entry.act, entry.via)
                for entry in store.session.scalars(select(AuditEntry))
                if entry.act.startswith("organisations")
            ],
            [one.details for one in store.session.scalars(select(AuditDetails))],
        )
    )
    db.close()
    assert entries == [("organisations.imported", "shell")]
    assert details == [{"organisations": ["amf"]}]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["import"], 2, "Missing command"),
        (["import", "nothing"], 2, "No such command"),
        (["export", "nothing"], 2, "No such command"),
        (["import", "organisations"], 2, "say which table: a file, or --signatories"),
        (["import", "organisations", "one.csv", "--signatories"], 2, "say which table"),
        (["import", "organisations", "none.csv"], 1, "No such file or directory: none.csv"),
        (["import", "organisations", "."], 1, "Is a directory"),
        (["import", "organisations", "large"], 1, "holds more than 1000000 bytes"),
        (["export", "organisations", "large"], 1, "large is there already"),
        (["export", "organisations", "none/out.csv"], 1, "No such file or directory"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    migrated: Preau,  # noqa: F811
    tmp_path: Path,
    arguments: list[str],
    code: int,
    words: str,
) -> None:
    (tmp_path / "large").write_bytes(b"x" * 1_000_001)
    said = migrated(*arguments)
    assert said.code == code
    assert words in line_of(said)
