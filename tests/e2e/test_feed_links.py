"""The header Link of the feed, followed by the worker as it runs: whatever is accepted can be gone on from."""

from __future__ import annotations

import pytest

from app.http.environ import MAX_REQUEST_LINE
from app.transparency.feed_cursor import CHARACTERS
from tests.support import GunicornService

FEED = "/api/v1/audit/feed"
# What the request that goes on has, beside what this one has.
_ROOM = MAX_REQUEST_LINE - len(f"GET {FEED}?&after= HTTP/1.1") - CHARACTERS


@pytest.mark.parametrize(
    ("parameter", "filled", "sent"),
    [("actor_id={}", "x", 1), ('data={{"a":"{}"}}', "<", 3), ("actor_id={}", "%C3%A9", 6)],
    ids=["plain", "to-be-encoded", "encoded"],
)
def test_the_longest_request_that_is_accepted_can_be_gone_on_from(
    service: GunicornService, parameter: str, filled: str, sent: int
) -> None:
    """``sent``: characters that each of ``filled`` has in the next request."""
    quotes = 2 * parameter.count('"') + 4 * parameter.count("{{")  # each becomes three characters
    count, rest = divmod(_ROOM - len(parameter.format("")) - quotes, sent)
    name = parameter.partition("=")[0]
    longest = f"{FEED}?{parameter.format(filled * count + 'x' * rest)}"
    answer = service.request("GET", longest)
    for _ in range(3):
        assert answer.status == 200, answer.json
        link = answer.headers["Link"].removeprefix("<").removesuffix('>; rel="next"')
        answer = service.request("GET", link)
    longer = f"{FEED}?{parameter.format(filled * count + 'x' * (rest + 1))}"
    refused = service.request("GET", longer)
    assert (refused.status, refused.json["field_errors"].keys()) == (400, {name})
    assert f"{MAX_REQUEST_LINE + 1} characters" in refused.json["detail"]
