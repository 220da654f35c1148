from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.http.client_address import ClientAddresses, network_of

PROXIES = ("10.0.0.0/8", "fd00::/8", "127.0.0.1/32")


def found(peer: str, *, header: str = "x-forwarded-for", **headers: str) -> str:
    environ = {"REMOTE_ADDR": peer, **{f"HTTP_{name.upper()}": value for name, value in headers.items()}}
    return ClientAddresses(PROXIES, header).of(environ)


@pytest.mark.parametrize(
    ("peer", "header", "client"),
    [
        ("10.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("10.0.0.1", "1.2.3.4, 203.0.113.7", "203.0.113.7"),  # what stands left of it, the client made up
        ("10.0.0.1", "203.0.113.7, 10.1.1.1,10.2.2.2", "203.0.113.7"),
        ("10.0.0.1", "10.1.1.1, 10.2.2.2", "10.1.1.1"),
        ("10.0.0.1", "203.0.113.7, unknown, 10.2.2.2", "10.2.2.2"),
        ("10.0.0.1", "unknown", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.7:4711", "203.0.113.7"),
        ("10.0.0.1", "[2001:db8::7]:4711", "2001:db8::7"),
        ("10.0.0.1", "2001:db8::7", "2001:db8::7"),
        ("fd00::1", "2001:DB8::7", "2001:db8::7"),
        ("::ffff:10.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("203.0.113.9", "1.2.3.4", "203.0.113.9"),  # not a proxy of ours
        ("", "1.2.3.4", ""),  # a socket in the file system has no address
    ],
)
def test_x_forwarded_for(peer: str, header: str, client: str) -> None:
    assert found(peer, x_forwarded_for=header) == client


@pytest.mark.parametrize(
    ("header", "client"),
    [
        ("for=203.0.113.7", "203.0.113.7"),
        ('For="[2001:db8:cafe::17]:4711"', "2001:db8:cafe::17"),
        ("for=192.0.2.43;proto=https;by=10.0.0.2, for=10.9.9.9", "192.0.2.43"),
        ('by="a,b;for=1.1.1.1";for=192.0.2.43', "192.0.2.43"),
        ("proto=https", "10.0.0.1"),
        ("for=_hidden, for=10.9.9.9", "10.9.9.9"),
        ("for=192.0.2.1, garbage here, for=203.0.113.7", "10.0.0.1"),
        ('for="192.0.2.1', "10.0.0.1"),
    ],
)
def test_forwarded(header: str, client: str) -> None:
    assert found("10.0.0.1", header="forwarded", forwarded=header) == client


def test_the_header_that_proxies_hand_on_unseen_does_not_count() -> None:
    both = {"forwarded": "for=203.0.113.7", "x_forwarded_for": "1.2.3.4"}
    assert found("10.0.0.1", **both) == "1.2.3.4"
    assert found("10.0.0.1", header="forwarded", **both) == "203.0.113.7"


def test_without_trusted_proxies_it_is_the_peer() -> None:
    environ = {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "1.2.3.4"}
    assert ClientAddresses(()).of(environ) == "127.0.0.1"


def test_it_is_found_once() -> None:
    environ = {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "1.2.3.4"}
    addresses = ClientAddresses(PROXIES)
    assert addresses.of(environ) == "1.2.3.4"
    del environ["HTTP_X_FORWARDED_FOR"]
    assert addresses.of(environ) == "1.2.3.4"


@given(spoofed=st.text(st.characters(min_codepoint=32, max_codepoint=255)))
def test_what_a_client_sends_itself_never_counts(spoofed: str) -> None:
    """The proxy appends whom it saw; whatever stood there before must not change the answer."""
    assert found("10.0.0.1", x_forwarded_for=f"{spoofed}, 203.0.113.7") == "203.0.113.7"


@given(header=st.text(st.characters(min_codepoint=32, max_codepoint=255)))
def test_any_forwarded_header_is_read_or_left(header: str) -> None:
    found("10.0.0.1", header="forwarded", forwarded=header)
    found("10.0.0.1", x_forwarded_for=header)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("no:address", "no:address"),
    ],
)
def test_one_client_is_an_address_or_a_network_of_ipv6(address: str, network: str) -> None:
    assert network_of(address) == network
