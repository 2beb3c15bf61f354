"""The journal in chat: what the secretariat did, for the secretariat."""

import ast
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from bot.texts import SOURCE
from handlers.audit import NOUNS
from storage.audit import BY_CLOCK
from storage.grants import Role
from storage.store import Store
from tests.journeys.test_threads import answered, opened, written
from tests.people import report
from tests.stage import Stage
from tests.test_locales import signatures

ROOT = Path(__file__).parents[2]
NOTES = {"add", "note"}  # what notes an act: `store.audit.add`, `request.note`


async def test_acts_are_read_and_narrowed(stage: Stage) -> None:
    parent, secretary = await stage.newcomer(), await stage.invited(Role.secretariat)
    number = await report(parent)
    await secretary.say("modérer")
    await secretary.press("Lire le suivant")
    await secretary.press("Publier")
    await written(stage)
    await opened(secretary)
    await answered(secretary)
    journal = await secretary.say("journal")
    assert f"témoignage publié ({number}), par vous" in journal
    assert "courrier répondu" in journal
    choices = await secretary.press("Choisir le sujet")
    assert {"témoignages", "courrier"} <= set(choices.labels)
    assert "votes" not in choices.labels
    letters = await secretary.press("courrier")
    assert "Vous voyez seulement : courrier." in letters
    assert "courrier répondu" in letters
    assert "publié" not in letters
    await secretary.press("Choisir la personne")
    await secretary.press("vous")
    await secretary.press("Choisir la période")
    narrowed = await secretary.press("le dernier jour")
    assert "Vous voyez seulement : courrier, par vous, le dernier jour." in narrowed
    assert "courrier répondu" in narrowed
    assert "témoignage publié" in await secretary.press("Tout voir")


async def test_it_goes_on_with_older_acts(stage: Stage) -> None:
    secretary = await stage.invited(Role.secretariat)
    now = stage.clock.now()

    def note(number: int) -> None:
        stage.db.write_now(
            lambda store: store.audit.add("polls.opened", now, via="web", about=f"card:{number}")
        )

    for number in range(1, 13):
        note(number)
    newest = await secretary.say("journal")
    assert "(n° 12)" in newest
    assert "(n° 3)" in newest
    assert "(n° 2)" not in newest
    note(13)
    older = await secretary.press("Voir plus ancien")
    assert "(n° 2)" in older
    assert "(n° 3)" not in older
    assert "Voir plus ancien" not in older.labels


async def test_what_else_there_is_to_say_is_shown_until_it_is_erased(stage: Stage) -> None:
    secretary, now = await stage.invited(Role.secretariat), stage.clock.now()
    why = {"reason": "Un réseau est coupé", "asked_by": 1}
    swept = {"drafts": {"drafts": 2, "files": 1}}

    def note(store: Store) -> None:
        store.audit.add("broadcasts.urgent", now, via="web", by=1, details=why)
        store.audit.add("privacy.swept", now, via=BY_CLOCK, details=swept)

    await stage.db.write(note)
    await secretary.say("journal")
    shown = await secretary.press("Détails : diffusion urgente")
    assert "Raison : Un réseau est coupé." in shown
    assert "Demandé par : vous." in shown
    await secretary.say("journal")
    assert "Un brouillon : 3." in await secretary.press("Détails : données périmées")
    await stage.db.write(lambda store: store.audit.forget_details(now + timedelta(seconds=1)))
    await secretary.say("journal")
    assert "sont effacés" in await secretary.press("Détails : diffusion urgente")


async def test_it_is_found_in_the_help(stage: Stage) -> None:
    parent, secretary = await stage.newcomer(), await stage.invited(Role.secretariat)
    assert "« journal » : lisez qui a fait quoi." in await secretary.say("aide")
    assert "Journal des actes" in await secretary.press("Le journal des actes")
    assert "journal" not in await parent.say("aide")


async def test_it_is_for_the_secretariat(stage: Stage) -> None:
    parent, chair = await stage.newcomer(), await stage.invited(Role.reviewer)
    for someone in (parent, chair):
        assert "Votre compte ne permet pas cette action." in await someone.say("journal")


def acts() -> Iterator[str]:
    """Every act that is noted anywhere, `{}` standing for what is only known then."""
    for folder in ("bot", "handlers", "scheduled", "storage"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Call) and _notes(node):
                    yield _worded(node.args[0])


def _notes(call: ast.Call) -> bool:
    function = call.func
    if not isinstance(function, ast.Attribute) or function.attr not in NOTES or not call.args:
        return False
    return "audit" in ast.unparse(function.value) or function.attr == "note"


def _worded(act: ast.expr) -> str:
    if isinstance(act, ast.Constant):
        return str(act.value)
    if isinstance(act, ast.JoinedStr):
        parts = [one.value if isinstance(one, ast.Constant) else "{}" for one in act.values]
        return "".join(str(part) for part in parts)
    return ""


def test_every_act_has_its_words() -> None:
    """A journal that fails at an act nobody gave words to would show nothing at all."""
    known = signatures(SOURCE, "audit")
    found = {act for act in acts() if act}
    assert "polls.cancelled" in found
    for act in found:
        noun, _, done = act.partition(".")
        assert noun in NOUNS, act
        name = f"{noun}_{done}"
        fits = [one for one in known if one.startswith(name.partition("{}")[0])]
        assert name in known or ("{}" in name and fits), act
    assert {f"noun_{noun}" for noun in NOUNS} <= set(known)
