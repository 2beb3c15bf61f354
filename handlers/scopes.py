"""What narrows a role, in words: a working group, a theme, or an académie."""

from bot.messages import Label, Said, Words
from bot.wording import group_name
from handlers import academies
from storage.grants import ACADEMIE, THEME, Reach
from storage.groups import group_of
from storage.recommendations import Theme
from storage.store import Store


def named(scope: str, store: Store) -> Label | None:
    """The name of a scope; None for everywhere."""
    group_id = group_of(scope)
    group = store.groups.get(group_id) if group_id is not None else None
    if group is not None:
        return group_name(group)
    if scope.startswith(THEME):
        return _theme(scope.removeprefix(THEME))
    return _academie(scope.removeprefix(ACADEMIE)) if scope.startswith(ACADEMIE) else None


def read_by(reach: Reach) -> list[Label]:
    """The themes and académies that a reviewer reads; none for who reads everything."""
    themes = [] if reach.everything else map(_theme, sorted(reach.themes))
    codes = [] if reach.everything else map(_academie, sorted(reach.academies))
    return [one for one in (*themes, *codes) if one is not None]


def _theme(name: str) -> Label | None:
    return Words(f"recommendations.theme_{name}") if name in list(Theme) else None


def _academie(code: str) -> Label | None:
    name = academies.name_of(code)
    return Said(name) if name is not None else None
