"""What is said outside any form, what is typed inside one, and how forms are left."""

from typing import Any

import pytest
from sqlalchemy import select

from bot.forms import State
from bot.routing import FORMS
from storage.conversations import Conversation
from storage.grants import Role
from storage.people import Account
from storage.store import Store
from tests.people import STORY, Someone, report
from tests.stage import Stage

FIRST, SECOND = "Le wifi tombe souvent dans notre école.", "Et les tablettes sont vieilles."


async def kept_draft(stage: Stage) -> dict[str, object]:
    """The only draft of a report."""
    state = await stage.db.read(lambda store: store.conversations.draft(1, "report"))
    assert state is not None
    return dict(state["answers"])


# Outside any form


async def test_what_is_said_in_several_messages_is_one_story(stage: Stage) -> None:
    parent = await stage.newcomer()
    assert f"J'ai gardé votre message : « {FIRST} »." in await parent.say(FIRST)
    assert "Votre message est toujours gardé." in await parent.say("Merci")
    await parent.say("bonjour")
    await parent.say(SECOND)
    await parent.press("En faire un témoignage")
    assert (await kept_draft(stage))["story"] == f"{FIRST}\n{SECOND}"


@pytest.mark.parametrize("way", ["menu", "typed", "labelled"])
async def test_a_report_begins_with_what_was_kept_whatever_the_way(stage: Stage, way: str) -> None:
    parent = await stage.newcomer()
    await parent.say(f"{FIRST} {SECOND}")
    if way == "menu":
        await parent.press("Voir le menu")
        offer = await parent.press("Raconter mon expérience")
    elif way == "typed":
        offer = await parent.say("témoigner")
    else:
        await parent.say("voir le menu")
        offer = await parent.say("raconter mon expérience")
    assert "Le wifi tombe souvent" in offer
    assert offer.labels == ["Reprendre ce message", "Écrire autre chose"]
    assert "Qu'avez-vous raconté" in await parent.press("Reprendre ce message")
    assert (await kept_draft(stage))["story"] == f"{FIRST} {SECOND}"


async def test_something_else_may_be_told_than_what_was_kept(stage: Stage) -> None:
    parent = await stage.newcomer()
    await parent.say(FIRST)
    await parent.say("témoigner")
    assert "Que voulez-vous raconter" in await parent.press("Écrire autre chose")
    await parent.say("annuler")
    assert "Que voulez-vous raconter" in await parent.say("témoigner"), "nothing is kept any more"


async def test_what_was_kept_does_not_replace_a_draft_unasked(stage: Stage) -> None:
    parent = await stage.newcomer()
    await parent.say("témoigner")
    await parent.say(STORY)
    await parent.say("annuler")
    await parent.say(SECOND * 3)
    offer = await parent.press("En faire un témoignage")
    assert "Vous avez aussi un brouillon." in offer
    assert "Qu'avez-vous raconté" in await parent.press("Continuer le brouillon")
    assert (await kept_draft(stage))["story"] == STORY
    await parent.say("annuler")
    await parent.say("témoigner")
    await parent.press("Remplacer mon brouillon")
    assert (await kept_draft(stage))["story"] == SECOND * 3


async def test_what_was_kept_is_checked_as_if_it_were_typed(stage: Stage) -> None:
    parent, other = await stage.newcomer(), await stage.newcomer()
    await parent.say("a " * 2500)
    asked = await parent.press("En faire un témoignage")
    assert "La limite est 4 000" in asked.text.replace("\u202f", " ").replace("\u00a0", " ")
    assert "Que voulez-vous raconter" in asked
    await parent.say("annuler")
    assert "Reprendre ce message" in (await parent.say("témoigner")).labels, "it is still kept"
    await other.say("Wifi lent.")
    assert "en dire un peu plus" in await other.press("En faire un témoignage")


async def test_more_than_can_be_kept_leaves_what_was_there(stage: Stage) -> None:
    parent = await stage.newcomer()
    await parent.say(FIRST)
    full = await parent.say("b " * 4990)
    assert "Votre dernier message n'est pas gardé." in full
    assert FIRST in full
    await parent.press("En faire un témoignage")
    await parent.press("C'est tout")
    assert (await kept_draft(stage))["story"] == FIRST


async def test_what_is_kept_can_be_forgotten(stage: Stage) -> None:
    parent = await stage.newcomer()
    await parent.say(FIRST)
    await parent.say("b " * 4990)
    await parent.press("Oublier ce qui est gardé")
    assert "Que voulez-vous raconter" in await parent.say("témoigner")


@pytest.mark.parametrize("said", ["merci", "Merci beaucoup !", "D'accord", "ok", "thank you"])
async def test_thanks_are_no_story(stage: Stage, said: str) -> None:
    answer = await (await stage.newcomer()).say(said)
    assert "Avec plaisir." in answer
    assert answer.labels == ["Voir le menu"]


@pytest.mark.parametrize("said", ["Bonsoir", "salut !", "hello"])
async def test_a_greeting_is_greeted(stage: Stage, said: str) -> None:
    assert "Bonjour, je suis Préau" in await (await stage.newcomer()).say(said)


@pytest.mark.parametrize(
    ("typed", "meant", "then"),
    [
        ("témoingner", "témoigner", "Que voulez-vous raconter"),
        ("donnée", "données", "Lire la notice"),
        ("réglage", "réglages", "Choisissez votre langue"),
        ("mes témoignage", "mes témoignages", "Vous n'avez encore rien raconté"),
        ("mneu", "menu", "Que voulez-vous faire ?"),
    ],
)
async def test_a_mistyped_command_is_guessed(
    stage: Stage, typed: str, meant: str, then: str
) -> None:
    parent = await stage.newcomer()
    assert f"Vouliez-vous dire « {meant} » ?" in await parent.say(typed)
    answer = await parent.press(meant)
    assert then in answer.text + " ".join(answer.labels)


async def test_a_mistyped_command_is_guessed_whatever_was_kept(stage: Stage) -> None:
    parent = await stage.newcomer()
    await parent.say(FIRST)
    assert "Vouliez-vous dire « données » ?" in await parent.say("donnée")
    assert f"J'ai gardé votre message : « {FIRST}" in await parent.say("et la donnée se perd")


async def test_nobody_is_told_of_commands_they_may_not_use(stage: Stage) -> None:
    assert "J'ai gardé votre message" in await (await stage.newcomer()).say("modèrer les")
    assert "Vouliez-vous dire" in await (await stage.invited(Role.secretariat)).say("modérerr")


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("effacer", "Rien n'est publié sans votre accord."),
        ("supprimer mon compte", "Le secrétariat du comité lit vos messages."),
        ("langue", "Choisissez votre langue"),
        ("English", "Choisissez votre langue"),
        ("code", "un autre réglage"),
        ("stop", "Pour ne plus rien recevoir, effacez vos données."),
    ],
)
async def test_other_words_for_commands(stage: Stage, typed: str, answer: str) -> None:
    assert answer in await (await stage.newcomer()).say(typed)


async def test_the_language_is_offered_at_once(stage: Stage) -> None:
    stranger = await stage.newcomer()
    assert "English" in [choice["label"] for choice in stranger.seen[0]["choices"]]
    assert "Préau will write to you in English." in await stranger.press("English")
    assert "Français" in (await stranger.say("start")).labels


async def test_invisible_characters_are_nothing(stage: Stage) -> None:
    parent = await stage.newcomer()
    for unseen in ("\u200b", "\u200e", "\u2060\u200d"):
        assert "Votre message est vide." in await parent.say(unseen)


# Inside a form


@pytest.mark.parametrize("marked", ["/menu", "!menu", "menu"])
async def test_a_command_leaves_a_question_with_choices_and_keeps_the_draft(
    stage: Stage, marked: str
) -> None:
    parent = await stage.newcomer()
    await parent.say("témoigner")
    await parent.say(STORY)
    menu = await parent.say(marked)
    assert "Votre brouillon est gardé 30 jours : votre témoignage." in menu
    assert menu.labels[0] == "Continuer mon témoignage"
    assert "Qu'avez-vous raconté" in await parent.say("1")


async def test_a_command_leaves_a_search_and_the_photos(stage: Stage) -> None:
    parent = await stage.newcomer()
    await parent.say("témoigner")
    await parent.say(STORY)
    await parent.say("1")
    await parent.say("5")
    await parent.say("parent")
    assert "Choisissez votre langue" in await parent.say("réglages")
    await parent.say("témoigner")
    await parent.press("Continuer le brouillon")
    await parent.say("Lyon")
    await parent.say("oui")
    await parent.press("Ajouter une photo")
    for _ in range(4):
        await parent.say("passer")
    assert "notez ce code" in await parent.say("quitter")


async def test_free_text_may_be_a_command_word(stage: Stage) -> None:
    parent = await stage.newcomer()
    await parent.say("témoigner")
    assert "en dire un peu plus" in await parent.say("votes")
    assert "Qu'avez-vous raconté" in await parent.say("Nous votons en classe.")
    assert (await kept_draft(stage))["story"] == "votes\nNous votons en classe."


async def test_courtesies_leave_no_form(stage: Stage) -> None:
    parent = await stage.newcomer()
    await parent.say("témoigner")
    await parent.say(STORY)
    assert "Je n'ai pas reconnu votre choix." in await parent.say("merci")


async def test_a_form_left_blank_leaves_no_draft(stage: Stage) -> None:
    parent = await stage.newcomer()
    await parent.say("témoigner")
    stopped = await parent.say("annuler")
    assert "Rien n'est envoyé." in stopped
    assert "brouillon" not in stopped
    assert (await parent.say("menu")).labels[0] == "Raconter mon expérience"


@pytest.mark.parametrize(
    ("kind", "theme", "profile"),
    [
        ("bonne pratique", "réseau", "prof"),
        ("Un besoin", "JE NE SAIS PAS", "mère"),
        ("initiative", "formation", "Autre adulte"),
        ("3", "7", "parent"),
    ],
)
async def test_a_few_words_of_a_label_choose_it(
    stage: Stage, kind: str, theme: str, profile: str
) -> None:
    parent = await stage.newcomer()
    await parent.say("témoigner")
    await parent.say(STORY)
    assert "De quoi parle" in await parent.say(kind)
    assert "Qui êtes-vous" in await parent.say(theme)
    assert "De quelle académie" in await parent.say(profile)
    assert "Qui peut lire" in await parent.say("aucune")
    assert "Relisez avant d'envoyer." in await parent.say("non")
    assert "Quelle réponse voulez-vous modifier ?" in await parent.say("modifier")
    assert "Relisez avant d'envoyer." in await parent.say("précédent")
    assert "votre témoignage est enregistré" in await parent.say("oui")


async def test_words_that_fit_several_labels_choose_none(stage: Stage) -> None:
    parent = await stage.newcomer()
    await parent.say("témoigner")
    await parent.say(STORY)
    assert "Je n'ai pas reconnu votre choix." in await parent.say("une")


async def test_a_number_where_a_place_is_asked_is_a_departement(stage: Stage) -> None:
    parent = await stage.newcomer()
    await parent.say("témoigner")
    await parent.say(STORY)
    await parent.say("1")
    await parent.say("5")
    await parent.say("parent")
    assert "Je n'ai pas trouvé." in await parent.say("1"), "no position at the first question"
    several = await parent.say("IDF")
    assert several.labels[:3] == ["Créteil", "Paris", "Versailles"]
    assert "Seine-Saint-Denis : académie de Créteil." in await parent.say("93")
    await parent.say("précédent")
    await parent.say("IDF")
    await parent.say("3")
    assert (await kept_draft(stage))["academie"] == "25"


async def test_an_old_button_and_a_button_pressed_twice_get_a_clear_answer(stage: Stage) -> None:
    parent = await stage.newcomer()
    await parent.say("témoigner")
    await parent.say(STORY)
    await parent.press("Un besoin")
    old = await parent.press("Un besoin")
    assert "Cette question a déjà une réponse." in old
    assert "De quoi parle" in old
    await report(other := await stage.newcomer())
    again = await other.press("Envoyer")
    assert not again.messages, "a toast at most"
    written = await stage.db.read(lambda store: len(store.reports.written_by(2)))
    assert written == 1


async def test_options_that_no_longer_apply_are_not_put_to_the_vote(stage: Stage) -> None:
    secretary = await stage.invited(Role.secretariat)
    for said in ("sondage", "une autre question", "Faut-il un réseau par école ?"):
        await secretary.say(said)
    for said in (
        "mes propres options",
        "Du temps\nUn réseau",
        "plusieurs",
        "les membres, une voix",
    ):
        await secretary.say(said)
    await secretary.say("14 janvier 2027")
    await secretary.press("Modifier une réponse")
    await secretary.press("Choix")
    review = await secretary.press("Pour, avec réserve, contre")
    assert "Du temps" not in review
    await secretary.press("Ouvrir le vote")
    poll = await stage.db.read(lambda store: store.polls.get(1))
    assert poll is not None
    assert (list(poll.options or ()), poll.several) == ([], False)


async def test_help_asks_the_question_again(stage: Stage) -> None:
    parent = await stage.newcomer()
    await parent.say("témoigner")
    await parent.say(STORY)
    helped = await parent.say("aide")
    assert "« précédent » revient à la question d'avant." in helped
    assert "Une expérience vécue" in helped.labels


async def test_a_form_of_a_role_that_ended_is_closed_and_its_draft_waits(stage: Stage) -> None:
    secretary = await stage.invited(Role.secretariat)
    await secretary.say("projet")
    await secretary.press("Entrer un nouveau projet")
    await secretary.say("Un réseau fiable")
    await stage.db.write(lambda store: store.grants.end(1, stage.clock.now()))
    assert "Votre compte ne permet pas" in await secretary.say("Mesurer le réseau.")
    assert "Que voulez-vous faire ?" in await secretary.say("menu")
    draft = await stage.db.read(lambda store: store.conversations.draft(1, "draft"))
    assert draft is not None
    assert draft["answers"]["title"] == "Un réseau fiable"


# Bad input, field by field


KNOWN: dict[str, dict[str, Any]] = {
    "report": {
        "story": STORY,
        "kind": "need",
        "theme": "usages",
        "profile": "parent",
        "academie": "28",
        "publishable": "no",
    },
    "poll": {
        "question": "De quoi avez-vous besoin ?",
        "style": "own",
        "options": ["Du temps", "Un réseau"],
        "several": "one",
        "electorate": "members",
        "closes_at": "2027-01-14T17:00:00+00:00",
        "hidden": "yes",
    },
    "draft": {"title": "Un réseau fiable", "body": "Mesurer le réseau.", "theme": "usages"},
}
BAD = {
    "10,000 characters": "é" * 10_000,
    "spaces": "  \t ",
    "unseen": "\u200b\u2060",
    "emoji": "😀👨‍👩‍👧",
    "right to left": "\u202eשלום\u202c",
    "control": "\x00\x07?",
    "markup": "<script>alert(1)</script> **x** [a](b)",
}
ASKED = [
    (name, one.name)
    for name in KNOWN
    for one in FORMS[name].fields
    if one.name in KNOWN[name] or one.optional
]


async def at_step(stage: Stage, someone: Someone, form: str, step: str) -> int:
    """Bring the newest person to a step of a form, all the other questions answered."""
    await someone.say("menu")
    answers = {name: value for name, value in KNOWN[form].items() if name != step}

    def place(store: Store) -> int:
        conversation = store.session.scalars(
            select(Conversation).order_by(Conversation.id.desc()).limit(1)
        ).one()
        conversation.form = form
        account = store.session.get_one(Account, conversation.account_id)
        state = State(step, dict(answers), ("before",))
        store.conversations.save_draft(account.person_id, form, state.kept(), stage.clock.now())
        return account.person_id

    return await stage.db.write(place)


@pytest.mark.parametrize(("form", "step"), ASKED)
async def test_bad_input_gets_a_clear_answer_and_loses_nothing(
    stage: Stage, form: str, step: str
) -> None:
    person = await (stage.newcomer() if form == "report" else stage.invited(Role.secretariat))
    others = {name: value for name, value in KNOWN[form].items() if name != step}
    for kind, typed in BAD.items():
        who = await at_step(stage, person, form, step)
        answer = await person.say(typed)
        assert len(answer.messages) == 1, kind
        assert "Une erreur est survenue" not in answer
        assert "<script" not in answer.messages[0]["html"]
        kept = await stage.db.read(lambda store, who=who: store.conversations.draft(who, form))  # type: ignore[misc]
        assert kept is not None
        assert others.items() <= kept["answers"].items(), kind
        moved = kept["step"] != step or kept["partial"] is not None
        named = [words for words in PROBLEMS if words in answer.text.replace("\u202f", " ")]
        assert moved or named, f"{kind}: {answer.text}"


PROBLEMS = (
    "La limite est",
    "Votre réponse est vide.",
    "Je n'ai pas reconnu votre choix.",
    "Je n'ai pas trouvé.",
    "Je n'ai pas compris cette date.",
    "options différentes, une par ligne.",
    "Une photo est attendue ici.",
)
