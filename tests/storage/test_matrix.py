"""What Matrix remembers: kept by kind and key, replaced, dropped, unreadable in the file."""

from sqlalchemy import text

from storage.database import Database

TOKEN = {"access_token": "un-jeton-secret"}
PERSON = "@zoulikha:example.org"


def test_one_is_kept_in_place_of_another(db: Database) -> None:
    assert db.read_now(lambda store: store.matrix.get("login")) is None
    db.write_now(lambda store: store.matrix.put("login", "", {"generation": 1}))
    db.write_now(lambda store: store.matrix.put("login", "", TOKEN))
    db.write_now(lambda store: store.matrix.put("sync", "", {"next_batch": "s1"}))
    assert db.read_now(lambda store: store.matrix.get("login")) == TOKEN
    assert db.read_now(lambda store: store.matrix.all("login")) == [TOKEN]


def test_many_are_kept_and_some_dropped(db: Database) -> None:
    devices = {f"{PERSON} {number}": {"number": number} for number in range(1, 6)}
    db.write_now(lambda store: store.matrix.put_all("device", devices))
    db.write_now(lambda store: store.matrix.put_all("device", {}))
    db.write_now(lambda store: store.matrix.put("session", f"{PERSON} 1", {"number": 0}))
    db.write_now(lambda store: store.matrix.drop("device", [f"{PERSON} 1", f"{PERSON} 3", "?"]))
    db.write_now(lambda store: store.matrix.drop("device", []))

    def numbers(kind: str) -> list[int]:
        kept = db.read_now(lambda store: store.matrix.all(kind))
        return sorted(one["number"] for one in kept)

    assert numbers("device") == [2, 4, 5]
    assert db.read_now(lambda store: store.matrix.get("device", f"{PERSON} 4")) == {"number": 4}
    db.write_now(lambda store: store.matrix.drop_kind("device"))
    assert (numbers("device"), numbers("session")) == ([], [0])


def test_neither_key_nor_content_can_be_read_in_the_file(db: Database) -> None:
    db.write_now(lambda store: store.matrix.put("device", PERSON, TOKEN))
    with db.engine.connect() as connection:
        [row] = connection.execute(text("SELECT * FROM matrix_kept"))
    assert row.kind == "device"
    assert "zoulikha" not in repr(row)
    assert "jeton" not in repr(row)
