from __future__ import annotations

import pytest
from datastorage_common.addresses import is_loopback


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1"])
def test_only_this_machine_reaches_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "0.0.0.0", "::", "10.0.0.1", "example.com", "[::1]", "localhost.example", "127.1"]
)
def test_others_may_reach_every_other_host(host: str) -> None:
    assert not is_loopback(host)
