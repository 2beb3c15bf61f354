"""One person one vote, one organisation one vote, in any order of presses."""

from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.database import Database
from storage.organisations import MandateKind, OrganisationName
from storage.polls import Electorate, bits, chosen
from storage.store import Store

NOW = datetime(2027, 1, 11, 9, tzinfo=UTC)
# Who speaks for whom: 0 and 1 are delegate and substitute of A, 2 and 3 of B, 4 is a stranger.
SPEAKERS = [
    ("a", MandateKind.delegate),
    ("a", MandateKind.substitute),
    ("b", MandateKind.delegate),
    ("b", MandateKind.substitute),
]
presses = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=25)


def committee(store: Store) -> list[int]:
    people = []
    for key in ("a", "b"):
        name = OrganisationName(organisation_id=key, starts_on=NOW.date(), name=key, short_name=key)
        store.organisations.add(key, is_signatory=True, college=None, names=[name])
    for number, (organisation, kind) in enumerate(SPEAKERS):
        account, _ = store.people.arrive("web", f"speaker-{number}", "fr", NOW)
        store.organisations.appoint(account.person_id, organisation, kind, NOW)
        people.append(account.person_id)
    return people


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(presses)
def test_the_tally_is_that_of_a_simple_model(db: Database, pressed: list[tuple[int, int]]) -> None:
    if not db.read_now(lambda store: store.organisations.names(NOW.date())):
        db.write_now(committee)

    def play(store: Store) -> None:
        people = [
            store.people.arrive("web", f"speaker-{n}", "fr", NOW)[0].person_id for n in range(4)
        ]
        closes_at = NOW + timedelta(days=1)
        poll = store.polls.open("?", electorate=Electorate.both, closes_at=closes_at, now=NOW)
        persons: dict[int, int] = {}
        spoken: dict[str, tuple[int, MandateKind]] = {}
        for step, (who, option) in enumerate(pressed, start=1):
            organisation, kind = SPEAKERS[who]
            store.polls.press(poll.id, people[who], option, NOW + timedelta(seconds=step))
            persons[who] = option
            before = spoken.get(organisation)
            by_delegate = before is not None and before[1] is MandateKind.delegate
            if kind is MandateKind.delegate or not by_delegate:
                spoken[organisation] = (option, kind)
        tally = store.polls.tally(poll)
        votes = list(persons.values())
        assert tally.persons == tuple(votes.count(option) for option in range(4))
        assert tally.named == {name: (option,) for name, (option, _) in spoken.items()}
        assert tally.voted == (len(persons), len(spoken))
        assert tally.electors == (4, 2)

    db.write_now(play)


@given(st.sets(st.integers(0, 9)))
def test_a_ballot_keeps_a_set_of_options(options: set[int]) -> None:
    assert set(chosen(bits(options))) == options
