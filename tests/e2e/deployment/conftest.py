"""A running deployment: the one at BASE_URL, staging included, or else a service that the tests start themselves.

These tests take nothing away and break nothing. They do not assume an empty database, find what they wrote by ids of
their own, and leave about a hundred events, all with the actor `datastorage-e2e`, a few notifications and three
workflows, which they disable.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from datastorage_client import DataStorageClient

from tests import support
from tests.support import Answer

ACTOR = "datastorage-e2e"
EVENTS = "/api/v1/audit/events"


class Deployment:
    """A deployment and what may be done with it. Certificates are checked; SSL_CERT_FILE names others to trust."""

    def __init__(self, url: str, token: str | None) -> None:
        self.url = url.rstrip("/")
        self.token = token
        self.client = DataStorageClient(self.url, token=token)  # for what goes well; `request` shows the wire
        self._client = httpx.Client(base_url=self.url, timeout=30, follow_redirects=False)

    def request(
        self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None, token: bool = True
    ) -> Answer:
        """One request; `body` is sent as JSON unless it is bytes. With token=False nobody is said to be asking."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        sent = {"Content-Type": "application/json"} if data is not None else {}
        if token and self.token:
            sent["Authorization"] = f"Bearer {self.token}"
        answer = self._client.request(method, path, content=data, headers={**sent, **(headers or {})})
        return Answer(answer.status_code, answer.content, {k.title(): v for k, v in answer.headers.items()})

    def get(self, path: str, **query: str | int) -> Any:
        """The JSON of a read that must succeed."""
        answer = self.request("GET", str(httpx.URL(path, params=query)) if query else path)
        assert answer.status == 200, answer.body
        return answer.json

    def close(self) -> None:
        self._client.close()
        self.client.close()


def event(**members: Any) -> dict[str, Any]:
    """A valid event that is known as ours."""
    return support.event(**{"actor_id": ACTOR, "correlation_id": own("correlation"), **members})


def own(what: str) -> str:
    """A name that nobody has used."""
    return f"e2e-{what}-{uuid.uuid4()}"


@pytest.fixture(scope="session")
def deployment(request: pytest.FixtureRequest) -> Iterator[Deployment]:
    """BASE_URL with TOKEN, or the shared service of the end-to-end tests."""
    url = os.environ.get("BASE_URL") or request.getfixturevalue("service").url
    made = Deployment(url, os.environ.get("TOKEN") or None)
    yield made
    made.close()
