"""Who may invite: by server, by suffix at a dot, by account, and nobody who only looks like it."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.allowed import allows
from bot.settings import Settings

OWN = "matrix.example.org"

names = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
domains = st.lists(names, min_size=2, max_size=4).map(".".join)
ports = st.one_of(st.just(""), st.integers(1, 65535).map(lambda port: f":{port}"))
literals = st.ip_addresses(v=6).map(lambda address: f"[{address}]")
servers = st.tuples(st.one_of(domains, literals), ports).map("".join)
users = st.from_regex(r"[a-z0-9._=/+-]{1,12}", fullmatch=True)


def listed(*given: str) -> list[str]:
    """Entries as the settings have them."""
    return Settings(_env_file=None, matrix_allowed_servers=list(given)).matrix_allowed_servers


@given(users, domains, domains, ports)
@example("a", "agent.education", "gouv.fr", "")
def test_a_suffix_holds_at_a_dot(user: str, name: str, domain: str, port: str) -> None:
    allowed = listed(f".{domain}")
    assert allows(allowed, OWN, f"@{user}:{name}.{domain}")
    assert not allows(allowed, OWN, f"@{user}:{name}{domain}")
    assert not allows(allowed, OWN, f"@{user}:{domain}"), "the name itself is no suffix of it"
    assert not allows(allowed, OWN, f"@{user}:{name}.{domain}.test")
    if port:
        assert not allows(allowed, OWN, f"@{user}:{name}.{domain}{port}"), "that is another server"


def test_what_only_ends_alike_is_elsewhere() -> None:
    allowed = listed(".gouv.fr", "*.tchap.example")
    assert allows(allowed, OWN, "@a:agent.education.gouv.fr")
    assert allows(allowed, OWN, "@a:x.tchap.example")
    for server in (
        "evilgouv.fr",
        "gouv.fr",
        "gouv.fr.evil.test",
        "x.gouv.fr:8448",
        "xtchap.example",
    ):
        assert not allows(allowed, OWN, f"@a:{server}"), server


@given(users, servers, servers)
def test_a_server_is_one_server(user: str, server: str, other: str) -> None:
    allowed = listed(server)
    assert allows(allowed, OWN, f"@{user}:{server}")
    assert allows(allowed, OWN, f"@{user}:{other}") == (other in (server, OWN))


@given(users, users, servers)
def test_an_account_is_one_account(user: str, other: str, server: str) -> None:
    allowed = listed(f"@{user}:{server}")
    assert allows(allowed, OWN, f"@{user}:{server}")
    assert allows(allowed, OWN, f"@{other}:{server}") == (other == user or server == OWN)


@given(users, servers)
def test_where_nothing_is_set_our_own_server_is_allowed(user: str, server: str) -> None:
    assert allows([], OWN, f"@{user}:{OWN}")
    assert allows([], OWN, f"@{user}:{server}") == (server == OWN)


@given(users, domains)
def test_case_does_not_matter(user: str, domain: str) -> None:
    assert allows(listed(domain.upper()), OWN, f"@{user}:{domain}")
    assert allows(listed(f".{domain}".upper()), OWN, f"@{user}:X.{domain.upper()}")


@pytest.mark.parametrize(
    "server", ["[2001:db8::1]", "[2001:db8::1]:8448", "192.0.2.7", "192.0.2.7:8448"]
)
def test_a_server_may_be_an_address(server: str) -> None:
    assert allows(listed(server), OWN, f"@a:{server}")
    assert not allows(listed(server), OWN, f"@a:{server}1")
    assert not allows(listed(".example.org"), OWN, f"@a:{server}")


@given(st.text(max_size=40))
def test_what_is_no_account_is_not_allowed(text: str) -> None:
    if not text.startswith("@"):
        assert not allows(listed(".example.org", "example.org"), OWN, text)


@pytest.mark.parametrize("text", ["", "@", "@a", "@a:", "a:example.org", ":example.org"])
def test_half_an_account_is_none(text: str) -> None:
    assert not allows(listed("example.org", ".org"), OWN, text)
