"""The next meetings, in one's own chat; in a group, those that may be shown there."""

from bot.messages import Reply, Request, Words
from bot.rights import belonging, chair, secretariat
from bot.routing import command
from handlers.meetings import rooms
from handlers.meetings.cards import Choices, View, shown
from handlers.people import do
from storage.groups import Belonging
from storage.store import Store


@command("meetings", who=belonging, in_groups=True)
def meetings(request: Request, store: Store) -> Reply:
    """The next meetings of the groups one belongs to, or leads."""
    if request.in_group:
        return rooms.offer(request, store)
    upcoming = store.meetings.upcoming(_groups_of(request, store), request.now)
    if len(upcoming) == 1:
        return shown(upcoming[0], request, store)
    lines: Choices = [
        (
            f"meetings.show:{one.id}",
            Words("meetings.line", {"view": View.of(one, store, request.person)}),
        )
        for one in upcoming
    ]
    if chair(request):
        lines.append(do("meeting"))
    return Reply("meetings.list", count=len(upcoming), choices=[*lines, do("menu")])


def _groups_of(request: Request, store: Store) -> list[int] | None:
    """The groups whose meetings one sees; None for all of them."""
    if secretariat(request):
        return None
    standing = store.groups.of_person(request.person)
    belongs = [group for group, state in standing.items() if state is Belonging.member]
    led = store.groups.led_by(request.person, request.now) if chair(request) else []
    return [*belongs, *led]
