from __future__ import annotations

import pytest
from datastorage_common.addresses import canonical_address, is_loopback


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1"])
def test_only_this_machine_reaches_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "0.0.0.0", "::", "10.0.0.1", "example.com", "[::1]", "localhost.example", "127.1"]
)
def test_others_may_reach_every_other_host(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("::ffff:192.0.2.7", "::ffff:c000:207"),
        ("::FFFF:c000:0207", "::ffff:c000:207"),
        ("::ffff:0.0.0.7", "::ffff:0:7"),
        ("::192.0.2.7", "::c000:207"),
        ("::", "::"),
    ],
)
def test_an_address_has_one_text(text: str, canonical: str) -> None:
    assert canonical_address(text) == canonical


def test_what_is_no_address_has_none() -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        canonical_address("192.0.2.256")
