"""What is taken from an issuer over HTTP, and what is not, however it answers."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.auth import key_fetch
from app.auth.issuer_keys import FetchError
from app.auth.key_fetch import KeyFetcher
from app.config.issuers import IssuerSettings
from tests.certificates import Authority
from tests.issuer_server import DISCOVERY, IssuerServer, issuer_server


@pytest.fixture
def server() -> Iterator[IssuerServer]:
    with issuer_server() as running:
        yield running


def fetcher(server: IssuerServer, **keys: Any) -> KeyFetcher:
    return KeyFetcher(IssuerSettings(**{"name": "a", "issuer": server.url, "audience": ("x",), **keys}))


def fault(server: IssuerServer, **keys: Any) -> str:
    with pytest.raises(FetchError) as e:
        fetcher(server, **keys).fetch()
    assert "\n" not in str(e.value)
    return str(e.value)


def test_keys_are_found_through_the_document(server: IssuerServer) -> None:
    found = fetcher(server).fetch()
    assert {key.ident for key in found.keys.keys} == {"rsa", "ec", "ed"}
    assert server.asked == [DISCOVERY, "/keys"]


def test_a_direct_address_needs_no_document(server: IssuerServer) -> None:
    assert fetcher(server, jwks_url=f"{server.url}/keys").fetch().keys
    assert server.asked == ["/keys"]


def test_a_document_where_rfc_8414_has_it(server: IssuerServer) -> None:
    issuer = f"{server.url}/realms/a/"
    document = {"issuer": issuer, "jwks_uri": f"{server.url}/keys"}
    server.answers["/.well-known/oauth-authorization-server/realms/a"] = (200, {}, json.dumps(document).encode())
    assert fetcher(server, issuer=issuer).fetch().keys
    assert server.asked[0] == "/realms/a/.well-known/openid-configuration"


@pytest.mark.parametrize(
    ("cache_control", "seconds"),
    [
        (None, 300),
        ("max-age=120", 120),
        ("public, max-age=86400, must-revalidate", 900),
        ("max-age=0", 60),
        ("no-store", 300),
        ("max-age=abc", 300),
        ("s-maxage=70", 300),
        ('max-age="200"', 200),
        ("max-age=" + "9" * 4000, 900),
    ],
)
def test_how_long_a_set_is_good(server: IssuerServer, cache_control: str | None, seconds: float) -> None:
    server.cache_control = cache_control
    assert fetcher(server).fetch().max_age_seconds == seconds


def test_the_document_must_be_of_this_issuer(server: IssuerServer) -> None:
    server.document = {"issuer": server.url + "/"}
    assert f"is not the document of {server.url}: its issuer differs" in fault(server)
    server.answers[DISCOVERY] = (200, {}, b"[]")
    assert "its issuer differs" in fault(server)
    server.answers[DISCOVERY] = (200, {}, b"[" * 100_000)
    assert "is not JSON" in fault(server)


@pytest.mark.parametrize(
    "uri",
    [None, 5, "", "file:///etc/passwd", "ftp://127.0.0.1/k", "http://10.0.0.1/k", "http://u:p@127.0.0.1/k", "keys"],
)
def test_addresses_that_a_document_may_not_lead_to(server: IssuerServer, uri: object) -> None:
    server.document = {"jwks_uri": uri}
    assert "has no jwks_uri that can be used" in fault(server)


def test_plain_http_from_elsewhere_has_to_be_allowed(server: IssuerServer) -> None:
    # This machine too, but not by an address that says so.
    server.document = {"jwks_uri": f"http://0.0.0.0:{server.port}/keys"}
    assert "has no jwks_uri that can be used" in fault(server)
    assert fetcher(server, allow_http=True).fetch().keys


def test_a_document_over_tls_does_not_lead_to_plain_http(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with issuer_server(authority.issue("server")) as secure, issuer_server() as plain:
        good = fetcher(secure, ca_file=str(authority.ca_file))
        assert good.fetch().keys
        secure.document = {"jwks_uri": f"{plain.url}/keys"}
        assert "its jwks_uri is not https" in fault(secure, ca_file=str(authority.ca_file))
        assert plain.asked == []


def test_a_certificate_that_nobody_vouches_for(tmp_path: Path) -> None:
    with issuer_server(Authority(tmp_path).issue("server")) as secure:
        assert "certificate verify failed" in fault(secure)
        assert secure.asked == []
    (tmp_path / "none").write_text("nothing")
    for name in ("none", "missing"):
        with pytest.raises(ValueError, match=name):
            fetcher(secure, ca_file=str(tmp_path / name))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("path", [DISCOVERY, "/keys"])
def test_redirects_are_not_followed(server: IssuerServer, path: str, status: int) -> None:
    server.answers[path] = (status, {"Location": f"{server.url}/elsewhere"}, b"")
    assert f"answered {status}" in fault(server)
    assert "/elsewhere" not in server.asked


@pytest.mark.parametrize("status", [204, 401, 404, 500, 503])
def test_other_answers_are_none(server: IssuerServer, status: int) -> None:
    server.answers["/keys"] = (status, {}, b"")
    assert fault(server) == f"{server.url}/keys answered {status}"


def test_huge_answers_are_not_read(server: IssuerServer) -> None:
    server.answers["/keys"] = (200, {}, b" " * (key_fetch.MAX_ANSWER_BYTES + 1))
    assert "larger than 1048576 bytes" in fault(server)


def test_what_expands_beyond_measure_is_not_unpacked(server: IssuerServer) -> None:
    packed = gzip.compress(b" " * 20_000_000, 1)
    server.answers["/keys"] = (200, {"Content-Encoding": "gzip"}, packed)
    assert "larger than 1048576 bytes" in fault(server)


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"keys": {}}', b'{"keys": [5]}', b'{"keys": [{"kty": "oct", "k": "AA"}]}']
)
def test_damaged_sets_are_none(server: IssuerServer, content: bytes) -> None:
    server.published = content
    assert fault(server).startswith(f"{server.url}/keys: ")


def test_an_empty_set_is_one(server: IssuerServer) -> None:
    server.published = b'{"keys": []}'
    assert not fetcher(server).fetch().keys


def test_an_issuer_that_drips_is_left_at_the_deadline(server: IssuerServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes in time; all of them would take a minute."""
    monkeypatch.setattr(key_fetch, "TOTAL_SECONDS", 0.5)
    server.drip = True
    assert "timed out" in fault(server)


def test_the_environment_has_no_say(server: IssuerServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert fetcher(server).fetch().keys


def test_an_issuer_that_is_away(server: IssuerServer) -> None:
    server.stop()
    assert fault(server).startswith(f"{server.url}{DISCOVERY}: ")
