"""What people send that is neither words nor a file."""

from typing import Any

from tests.bot_api.world import World

DICE = {"dice": {"emoji": "🎲", "value": 4}}
LOCATION = {"location": {"latitude": 48.8584, "longitude": 2.2945}}
CONTACT = {"contact": {"phone_number": "+33100000000", "first_name": "Quelqu'un"}}


def sticker(world: World) -> dict[str, Any]:
    file = world.file("sticker", b"RIFF", "sticker.webp", "image/webp")
    shown = {
        "file_id": file.id,
        "file_unique_id": file.unique,
        "type": "regular",
        "width": 512,
        "height": 512,
        "is_animated": False,
        "is_video": False,
    }
    return {"sticker": shown}


def poll(world: World, question: str) -> dict[str, Any]:
    """A native poll with two answers."""
    options = [{"persistent_id": str(n), "text": f"{n}", "voter_count": 0} for n in (1, 2)]
    shown = {
        "id": world.next_press_id(),
        "question": question,
        "options": options,
        "total_voter_count": 0,
        "is_closed": False,
        "is_anonymous": True,
        "type": "regular",
        "allows_multiple_answers": False,
        "allows_revoting": True,
        "members_only": False,
    }
    return {"poll": shown}
