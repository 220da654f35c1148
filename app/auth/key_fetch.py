"""One look at an issuer's keys over HTTP: its discovery document (OpenID Connect Discovery 1.0), then its key set.

PyJWT's PyJWKClient is not used: it reads an answer of any size, its time-out begins anew with every byte that a server
drips, and its caller waits for it. The connections are those of the client package: every wait ends at one deadline.
"""

from __future__ import annotations

import json
import re
import ssl
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
from datastorage_client.connections import Connections, read, within

from app.auth.issuer_keys import Fetched, FetchError
from app.auth.key_set import parse_key_set
from app.config.issuers import IssuerSettings, may_be_fetched

# For all requests of one look together, names looked up and certificates checked.
TOTAL_SECONDS = 5.0
MAX_ANSWER_BYTES = 1024 * 1024
# How long a set is trusted where its answer does not say, and the ends of what it may say.
DEFAULT_MAX_AGE_SECONDS, LEAST_MAX_AGE_SECONDS, MOST_MAX_AGE_SECONDS = 300.0, 60.0, 900.0
_MAX_AGE = re.compile(r"(?:^|[\s,])max-age=\"?(\d{1,9})", re.IGNORECASE)


class KeyFetcher:
    """Fetches the keys of one issuer. Not for several threads at a time."""

    def __init__(self, issuer: IssuerSettings) -> None:
        """ValueError for a file of authorities that cannot be used."""
        self._issuer = issuer
        self._discovered = issuer.jwks_url is None
        # A document that came over https may not lead to plain HTTP.
        self._http = issuer.allow_http or urlsplit(issuer.jwks_url or issuer.issuer).scheme == "http"
        try:
            verify: ssl.SSLContext = ssl.create_default_context(cafile=issuer.ca_file)
        except OSError as e:  # SSLError is one
            raise ValueError(f"{issuer.ca_file}: {e.strerror or 'holds no certificates'}") from None
        self._verify = verify

    def fetch(self) -> Fetched:
        """The keys as they are published now. Raises FetchError; never takes longer than TOTAL_SECONDS on the wire."""
        # No redirect is followed, no proxy and no password file of the environment is used.
        transport = Connections(self._verify)
        with (
            httpx.Client(transport=transport, trust_env=False, follow_redirects=False) as client,
            within(TOTAL_SECONDS),
        ):
            url = self._issuer.jwks_url or self._jwks_uri(client)
            answer = self._get(client, url)
            if answer.status_code != 200:
                raise FetchError(f"{url} answered {answer.status_code}")
        try:
            keys = parse_key_set(answer.content)
        except ValueError as e:
            raise FetchError(f"{url}: {e}") from None
        return Fetched(answer.content, keys, _max_age(answer.headers.get("Cache-Control", "")))

    def _jwks_uri(self, client: httpx.Client) -> str:
        for url in _documents(self._issuer.issuer):
            answer = self._get(client, url)
            if answer.status_code != 404:
                break
        if answer.status_code != 200:
            raise FetchError(f"{url} answered {answer.status_code}")
        try:
            document: Any = json.loads(answer.content)
        except (ValueError, RecursionError):
            raise FetchError(f"{url}: is not JSON") from None
        if not isinstance(document, dict) or document.get("issuer") != self._issuer.issuer:
            raise FetchError(f"{url}: is not the document of {self._issuer.issuer}: its issuer differs")
        found = document.get("jwks_uri")
        if not isinstance(found, str) or len(found) > 2048 or not may_be_fetched(found, http=self._issuer.allow_http):
            raise FetchError(f"{url}: has no jwks_uri that can be used")
        if urlsplit(found).scheme == "http" and not self._http:
            raise FetchError(f"{url}: its jwks_uri is not https")
        return found

    def _get(self, client: httpx.Client, url: str) -> httpx.Response:
        try:
            request = client.build_request(
                "GET", url, headers={"Accept": "application/json", "Accept-Encoding": "gzip"}
            )
            return read(client.send(request, stream=True), request, MAX_ANSWER_BYTES)
        except (httpx.HTTPError, httpx.InvalidURL) as e:
            raise FetchError(f"{url}: {str(e) or type(e).__name__}") from None


def _documents(issuer: str) -> tuple[str, ...]:
    """Where the issuer's document may be: as OpenID Connect has it, and as RFC 8414, section 3, has it."""
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    first = urlunsplit(parts._replace(path=f"{path}/.well-known/openid-configuration"))
    return first, urlunsplit(parts._replace(path=f"/.well-known/oauth-authorization-server{path}"))


def _max_age(cache_control: str) -> float:
    found = _MAX_AGE.search(cache_control)
    wanted = float(found[1]) if found is not None else DEFAULT_MAX_AGE_SECONDS
    return min(MOST_MAX_AGE_SECONDS, max(LEAST_MAX_AGE_SECONDS, wanted))
