"""An edited message changes the answer of the open form that it was, and what is kept."""

from sqlalchemy import select

from storage.conversations import Draft
from tests.chats import ON_SQLITE, Chatter
from tests.journeys.test_reports import photo
from tests.people import STORY, Answer, report
from tests.stage import Stage

pytestmark = ON_SQLITE


async def answers(stage: Stage) -> dict[str, object]:
    """The answers of the only draft."""
    state = await stage.db.read(lambda store: store.session.scalars(select(Draft.state)).one())
    found: dict[str, object] = state["answers"]
    return found


async def asked(stage: Stage) -> Chatter:
    """Somebody who is asked what they want to tell."""
    someone = stage.chatter()
    await someone.start()
    await someone.say("témoigner")
    return someone


async def edit(someone: Chatter, number: int, text: str) -> Answer:
    someone.user.edit(number, text)
    return await someone.look()


def said_last(someone: Chatter) -> int:
    return someone.user.last.id


async def test_an_edited_message_changes_the_answer_that_it_was(stage: Stage) -> None:
    someone = await asked(stage)
    await someone.say(STORY)
    first = said_last(someone)
    await someone.say("1")
    kind = said_last(someone)
    answer = await edit(
        someone, first, "Une autre histoire, assez longue pour être gardée ainsi. " * 2
    )
    assert "C'est changé : Votre récit" in answer.text or "C'est changé" in answer
    assert str((await answers(stage))["story"]).startswith("Une autre histoire")
    before = (await answers(stage))["kind"]
    await edit(someone, kind, "2")
    assert (await answers(stage))["kind"] != before
    await edit(someone, kind, "Une difficulté")
    assert (await answers(stage))["kind"] != before


async def test_an_edit_that_changes_no_word_says_nothing(stage: Stage) -> None:
    someone = await asked(stage)
    await someone.say(STORY)
    answer = await edit(someone, said_last(someone), STORY)
    assert not answer.events


async def test_an_edit_that_is_refused_leaves_the_answer_and_says_why(stage: Stage) -> None:
    someone = await asked(stage)
    await someone.say(STORY)
    answer = await edit(someone, said_last(someone), "x" * 4050)
    assert "Votre changement n'est pas pris" in answer
    assert "Votre texte fait 4" in answer
    assert (await answers(stage))["story"] == STORY


async def test_an_answer_that_was_refused_is_mended_where_it_stands(stage: Stage) -> None:
    someone = await asked(stage)
    refused = await someone.say("x" * 4050)
    assert "Votre texte fait 4" in refused
    await edit(someone, said_last(someone), STORY)
    assert (await answers(stage))["story"] == STORY


async def test_a_short_answer_and_its_complement_are_edited_apart(stage: Stage) -> None:
    someone = await asked(stage)
    await someone.say("Le réseau tombe.")
    first = said_last(someone)
    await someone.say("Chaque matin.")
    second = said_last(someone)
    assert (await answers(stage))["story"] == "Le réseau tombe.\nChaque matin."
    await edit(someone, second, "Chaque soir.")
    assert (await answers(stage))["story"] == "Le réseau tombe.\nChaque soir."
    await edit(someone, first, "Le réseau va bien.")
    assert (await answers(stage))["story"] == "Le réseau va bien.\nChaque soir."


async def test_a_piece_of_a_paste_is_edited_without_the_others(stage: Stage) -> None:
    someone = await asked(stage)
    text = " ".join(f"mot{n}" for n in range(480))
    someone.user.say(text)
    someone.user.say("Fin.")
    await someone.look()
    last = said_last(someone)
    assert str((await answers(stage))["story"]).endswith("Fin.")
    await edit(someone, last, "La suite.")
    assert (await answers(stage))["story"] in (f"{text} La suite.", f"{text}\nLa suite.")


async def test_an_answer_given_anew_by_a_button_is_not_changed_by_an_old_message(
    stage: Stage,
) -> None:
    someone = await asked(stage)
    await someone.say(STORY)
    await someone.say("1")
    old = said_last(someone)
    await someone.say("précédent")
    await someone.press("Une bonne pratique")
    kind = (await answers(stage))["kind"]
    answer = await edit(someone, old, "2")
    assert not answer.messages
    assert (await answers(stage))["kind"] == kind


async def test_a_caption_is_edited_too(stage: Stage) -> None:
    someone = await asked(stage)
    someone.user.send_photo(photo(), caption=STORY)
    await someone.look()
    await edit(someone, said_last(someone), STORY + " Voilà.")
    assert (await answers(stage))["story"] == STORY + " Voilà."
    assert len(str((await answers(stage))["photos"])) > 2


async def test_an_edit_after_sending_changes_nothing_which_is_said_of_what_counts(
    stage: Stage,
) -> None:
    someone = await asked(stage)
    await someone.say("annuler")
    await report(someone)
    mine = [one.id for one in someone.user.chat.messages if not one.by_bot]
    told = [number for number in mine if (await edit(someone, number, "/menu autre")).messages]
    assert len(told) == 2, "the story and the department"
    assert not (await edit(someone, told[0], "/menu encore autre")).messages
    sent = await stage.db.read(lambda store: store.reports.numbered("REX-2027-00001"))
    assert sent is not None
    assert sent.story == STORY
