"""Receiving no more of what comes unasked, all of it or one kind, and receiving it again."""

from bot.messages import Label, Reply, Request
from bot.rights import anyone
from bot.routing import choice, command
from handlers.people import do
from storage.broadcasts import BroadcastKind, Unasked
from storage.store import Store

ALL = "all"


def _kinds(text: str) -> tuple[Unasked, ...]:
    """One kind, or all of them."""
    return tuple(Unasked) if text == ALL else (Unasked(text),)


@command("stop", who=anyone)
def stop(request: Request, store: Store) -> Reply:
    """All broadcasts at once; each kind can be taken back."""
    store.broadcasts.mute(request.person, BroadcastKind, request.now)
    choices: list[tuple[str, Label | str]] = [
        (f"broadcasts.unmute:{ALL}", "broadcasts.unmute_all"),
        ("broadcasts.kinds", "broadcasts.choose_kinds"),
        do("privacy"),
    ]
    if request.incoming.session_id is not None:  # elsewhere one deletes the conversation oneself
        choices.append(do("leave"))
    choices.append(do("menu"))
    return Reply("broadcasts.stopped", platform=request.incoming.platform, choices=choices)


@choice("broadcasts.kinds", who=anyone)
def kinds(request: Request, store: Store) -> Reply:
    """What a person receives, and what not."""
    return _shown(request, store, replace=False)


@choice("broadcasts.mute", _kinds, who=anyone)
def mute(request: Request, store: Store, muted: tuple[Unasked, ...]) -> Reply:
    """From the message itself: it stays, and the answer comes after it."""
    store.broadcasts.mute(request.person, muted, request.now)
    return _shown(request, store, replace=False)


@choice("broadcasts.unmute", _kinds, who=anyone)
def unmute(request: Request, store: Store, muted: tuple[Unasked, ...]) -> Reply:
    store.broadcasts.unmute(request.person, muted)
    return _shown(request, store, replace=True)


def _shown(request: Request, store: Store, *, replace: bool) -> Reply:
    muted = store.broadcasts.muted_by(request.person)
    choices: list[tuple[str, Label | str]] = [
        (f"broadcasts.unmute:{kind}", f"broadcasts.unmute_{kind}")
        if kind in muted
        else (f"broadcasts.mute:{kind}", f"broadcasts.mute_{kind}")
        for kind in Unasked
    ]
    if len(muted) < len(Unasked):
        choices.append((f"broadcasts.mute:{ALL}", "broadcasts.mute_all"))
    return Reply(
        "broadcasts.kinds",
        received=[kind for kind in Unasked if kind not in muted],
        muted=[kind for kind in Unasked if kind in muted],
        choices=[*choices, do("menu")],
        replace=replace,
    )
