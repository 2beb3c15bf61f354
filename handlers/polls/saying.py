"""What a person has to say in a poll: whose ballots they cast, and what these say."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from bot.messages import Label
from bot.wording import Subject, listed
from storage.organisations import MandateKind
from storage.polls import Bar, Voice, chosen
from storage.store import Store


@dataclass(frozen=True)
class Other:
    """An organisation's ballot that somebody else cast.

    Attributes:
        by: their mandate for it, if they still hold one.
        voted: what they chose, for who may replace it.
    """

    name: str
    by: MandateKind | None
    voted: list[Label]


@dataclass(frozen=True)
class Lost:
    """An organisation for which a person casts no ballot now.

    Attributes:
        voted: what they chose, as long as it counts.
        by_other: what somebody else chose for it.
    """

    name: str
    voted: list[Label]
    by_other: list[Label]


@dataclass(frozen=True)
class Coming:
    """An organisation whose ballot changes hands at a moment to come."""

    name: str
    at: datetime


@dataclass(frozen=True)
class Say:
    """What a person has to say in a poll, as messages word it.

    Attributes:
        own: whether a ballot of their own goes with a press.
        organisations: whose ballots go with a press.
        missing: those of them whose ballot nobody cast, although the person voted.
        voted, reason: what the ballots that they cast say.
        replaces: ballots by others, which a press would replace.
        settled: ballots by others, which they may not replace.
        entrusted: whose ballots a delegate has handed over to them.
        handed: whose ballots they have handed over themselves.
        goes, comes: whose they hand over, or are handed, before the closing.
        ended: for whom they speak no more.
    """

    own: bool
    organisations: list[str]
    missing: list[str]
    voted: list[Label]
    reason: str | None
    replaces: list[Other]
    settled: list[Other]
    entrusted: list[str]
    handed: list[Lost]
    goes: list[Coming]
    comes: list[Coming]
    ended: list[Lost]

    @classmethod
    def of(cls, subject: Subject, voices: list[Voice], store: Store, now: datetime) -> "Say":
        spoken = [one for one in voices if one.organisation_id is not None]
        names = store.organisations.names(now.date()) if spoken else {}

        def voted(voice: Voice) -> list[Label]:
            return [subject.option(option) for option in chosen(voice.choices or 0)]

        def others(bar: Bar | None) -> list[Other]:
            found = [one for one in spoken if one.bar is bar and one.choices and not one.mine]
            return [
                Other(_name(one, names), _mandate(one, store, now), voted(one)) for one in found
            ]

        def lost(bar: Bar) -> list[Lost]:
            found = [one for one in spoken if one.bar is bar]
            return [
                Lost(
                    _name(one, names),
                    voted=voted(one) if one.mine else [],
                    by_other=[] if one.mine else voted(one),
                )
                for one in found
            ]

        def coming(moments: list[datetime | None]) -> list[Coming]:
            return [
                Coming(_name(one, names), at)
                for one, at in zip(spoken, moments, strict=True)
                if at is not None and at < subject.poll.closes_at
            ]

        mine = next((one for one in voices if one.mine and one.may_cast), None)
        may_cast = [one for one in spoken if one.may_cast]
        uncast = [one for one in may_cast if mine and one.choices is None]
        return cls(
            own=any(one.organisation_id is None for one in voices) or not voices,
            organisations=listed([_name(one, names) for one in may_cast]),
            missing=listed([_name(one, names) for one in uncast]),
            voted=voted(mine) if mine else [],
            reason=mine.reason if mine else None,
            replaces=others(None),
            settled=others(Bar.settled),
            entrusted=listed([_name(one, names) for one in may_cast if one.handover is not None]),
            handed=lost(Bar.handed),
            goes=coming([one.goes_at for one in spoken]),
            comes=coming([one.comes_at for one in spoken]),
            ended=lost(Bar.over),
        )

    @property
    def may_press(self) -> bool:
        return self.own or bool(self.organisations)


def _name(voice: Voice, names: Mapping[str, str]) -> str:
    key = voice.organisation_id or ""
    return names.get(key, key)


def _mandate(voice: Voice, store: Store, now: datetime) -> MandateKind | None:
    """What whoever cast an organisation's ballot is to it."""
    if voice.cast_by is None:
        return None
    mandates = store.organisations.mandates_of(voice.cast_by, now)
    return next(
        (one.kind for one in mandates if one.organisation_id == voice.organisation_id), None
    )
