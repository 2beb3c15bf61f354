"""What people find in the menu."""

import pytest

from storage.grants import Role
from tests.stage import Stage

EVERYBODY = [
    "Raconter mon expérience",
    "Mes témoignages",
    "Les votes",
    "Les groupes de travail",
    "Mes réglages",
    "Mes données",
]


async def test_everybody_has_one_list(stage: Stage) -> None:
    someone = await stage.newcomer()
    assert (await someone.say("menu")).labels == [*EVERYBODY, "Aide", "Écrire au secrétariat"]


async def test_the_secretariat_finds_its_work_first_then_its_own(stage: Stage) -> None:
    secretary = await stage.invited(Role.secretariat)
    work = await secretary.say("menu")
    assert work.labels == [
        "Relire les témoignages",
        "Le courrier reçu",
        "Les projets de recommandation",
        "Ouvrir un vote",
        "Convoquer une réunion",
        "Envoyer une annonce",
        "Inviter quelqu'un",
        "Les membres et les organisations",
        "Pour moi",
    ]
    own = await secretary.say("pour moi")
    assert own.labels == [*EVERYBODY[:3], "Mes réunions", *EVERYBODY[3:], "Voir le menu"]
    assert (await secretary.press("Voir le menu")).labels == work.labels


@pytest.mark.everywhere
async def test_what_was_left_unfinished_comes_first(stage: Stage) -> None:
    for someone in (await stage.newcomer(), await stage.invited(Role.secretariat)):
        await someone.say("témoigner")
        await someone.say("Nous votons en classe.")
        assert (await someone.say("/menu")).labels[0] == "Continuer mon témoignage"
