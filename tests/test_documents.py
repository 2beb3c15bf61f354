"""What a controller is given is made of what the program declares."""

from pathlib import Path

from bot.documenting import notice, register
from bot.documents.register import CATEGORIES
from bot.retention import RULES
from bot.settings import Settings
from storage.base import Base
from tests.test_cli import Preau, migrated, preau  # noqa: F401 (fixtures)

VALUES = {"secret_key": "s" * 40, "controller": "Le comité", "dpo_contact": "dpo@example.org"}


def settings(**given: object) -> Settings:
    return Settings(_env_file=None, **{**VALUES, **given})  # type: ignore[arg-type]


def test_the_register_names_every_encrypted_column_and_every_rule() -> None:
    text = register(settings())
    for names in CATEGORIES.values():
        for name in names:
            for column in Base.metadata.tables[name].columns:
                named = f"`{name}.{column.name}`" in text
                assert named is hasattr(column.type, "context")
    periods = text.partition("|---|")[2].partition("\n\n")[0]
    assert len(periods.strip().splitlines()) == 1 + len(RULES)
    assert "Le comité" in text


def test_both_say_which_platforms_carry_messages() -> None:
    alone, with_telegram = settings(), settings(telegram_token="1:token")
    for write in (register, notice):
        assert "Telegram" not in write(alone)
        assert "Telegram" in write(with_telegram)


def test_who_answers_for_the_data_is_asked_for() -> None:
    assert "PREAU_CONTROLLER" in register(settings(controller=None))


def test_what_the_operator_wrote_is_no_markdown() -> None:
    given = settings(controller="# <b>Région</b>\nA*B_C [lien](x)", dpo_contact="1. dpo|a_b@c.fr")
    for write in (register, notice):
        text = write(given)
        assert r"\# \<b\>Région\</b\> A\*B\_C \[lien\](x)" in text
        assert r"1\. dpo\|a\_b@c.fr" in text


def test_the_command_writes_them(preau: Preau, tmp_path: Path) -> None:  # noqa: F811
    folder = tmp_path / "docs" / "new"
    done = preau("documents", str(folder))
    assert done.code == 0, done.err
    assert (folder / "registre.md").read_text("utf-8").startswith("# Registre")
    assert (folder / "notice.md").read_text("utf-8").startswith("# Vos données")
    failed = preau("documents", str(folder / "notice.md"))
    assert failed.code == 1
    assert "File exists" in failed.err


def test_the_command_that_says_what_would_go_touches_nothing(migrated: Preau) -> None:  # noqa: F811
    said = migrated("retention")
    assert said.code == 0, said.err
    lines = said.out.splitlines()
    assert [line.partition(":")[0] for line in lines] == [rule.name for rule in RULES]
    assert "drafts: A draft: 30 days after the last change. Nothing would go." in lines
