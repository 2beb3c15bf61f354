"""Who is in a group, for those who belong to it and those who answer for it."""

import unicodedata
from collections.abc import Mapping
from typing import Any

from bot import routing
from bot.forms import Form, Given, Open, Problem, ShortText
from bot.markup import clean
from bot.messages import Refused, Reply, Request, Words
from bot.restricting import check_gives
from bot.rights import belonging, secretariat
from bot.routing import choice, number
from bot.wording import group_name
from handlers.groups.card import SHOWN, Choices, answers_for, card, chairs_of, found_open, worded
from handlers.people import do
from storage.deliveries import subject
from storage.groups import Belonging, WorkingGroup
from storage.store import Store


@choice("groups.members", number, number, who=belonging)
def members(request: Request, store: Store, group_id: int, after: int) -> Reply:
    """Some of the members, those first who came first; the secretariat may choose one."""
    group = _joined(request, store, group_id)
    is_member = store.groups.is_member(group_id, request.person)
    found = store.groups.people(group_id, Belonging.member, after=after, at_most=SHOWN + 1)
    shown = found[:SHOWN]
    who = worded([person for _, person in shown], store, request.now)
    leading = chairs_of(group_id, store, request.now)
    choices: Choices = []
    if secretariat(request):
        choices = [(f"groups.member:{group_id}:{one}", who[one]) for one in who]
    if len(found) > SHOWN:
        choices.append((f"groups.members:{group_id}:{shown[-1][0].id}", "groups.more_members"))
    if is_member:
        named = store.people.get(request.person).name is not None
        choices.append(
            (f"groups.name:{group_id}", "groups.change_name" if named else "groups.give_name")
        )
        if named:
            choices.append((f"groups.nameless:{group_id}", "groups.drop_name"))
    choices.append((f"groups.show:{group_id}", "groups.see_group"))
    return Reply(
        "groups.members",
        name=group_name(group),
        size=store.groups.count().get(group_id, 0),
        people=[(who[one], one in leading, one == request.person) for one in who],
        first=after == 0,
        choices=choices,
        shows=subject("group", group_id),
    )


def _joined(request: Request, store: Store, group_id: int) -> WorkingGroup:
    """An open group to which who asks belongs, or for which they answer."""
    group = found_open(store, group_id)
    is_member = store.groups.is_member(group_id, request.person)
    if not is_member and not answers_for(group_id, request, store):
        back: Choices = [(f"groups.show:{group_id}", "groups.see_group"), do("groups")]
        raise Refused("groups.members_only", choices=back)
    return group


@choice("groups.name", number, who=belonging)
def name(request: Request, store: Store, group_id: int) -> Open:
    check_gives(request, store)
    _joined(request, store, group_id)
    return Open(name_form, about=str(group_id), fresh=True)


def _submit(request: Request, store: Store, about: str, answers: Mapping[str, Any]) -> Reply:
    check_gives(request, store)
    store.people.get(request.person).name = answers["own_name"]
    store.session.flush()
    group = found_open(store, number(about))
    return card(group, request, store, done=Words("groups.name_given"))


class OwnName(ShortText):
    """A name on one line, without the marks that tell, beside a name, who leads or speaks."""

    def read(self, given: Given) -> str:
        name, typed = super().read(given), clean(given.text)
        if not all(one in " '’.-" or unicodedata.category(one)[0] in "LMN" for one in typed):
            raise Problem("groups.plain_name")
        return name


name_form = routing.form(
    Form(
        "my_name",
        "groups",
        (OwnName("own_name", at_most=60),),
        who=belonging,
        submit=_submit,
        reviewed=False,
    )
)


@choice("groups.nameless", number, who=belonging)
def nameless(request: Request, store: Store, group_id: int) -> Reply:
    """Be seen by one's profile again."""
    store.people.get(request.person).name = None
    store.session.flush()
    group = found_open(store, group_id)
    return card(group, request, store, done=Words("groups.name_dropped"))
