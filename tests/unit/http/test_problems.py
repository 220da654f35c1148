from __future__ import annotations

import json

import pytest

from app.http.problems import KINDS, Problem, unavailable

# What clients know; and what is answered where HTTP itself says so (RFC 9110, RFC 6585).
TABLE = {
    "validation-error": (400, "Validation Error", None),
    "invalid_request": (400, "Invalid Request", None),
    "invalid_event_data": (400, "Invalid Event Data", None),
    "batch-size-exceeded": (400, "Batch Size Exceeded", None),
    "immutable-field-violation": (400, "Bad Request", None),
    "unauthorized": (401, "Unauthorized", None),
    "forbidden": (403, "Forbidden", None),
    "not-found": (404, "Not Found", None),
    "no-checkpoint": (404, "No Checkpoint", None),
    "not-yet-in-log": (404, "Not Yet In The Log", "1"),
    "method-not-allowed": (405, "Method Not Allowed", None),
    "request-timeout": (408, "Request Timeout", None),
    "conflict": (409, "Resource Conflict", None),
    "held": (409, "Under A Legal Hold", None),
    "feed-restarted": (410, "Feed Restarted", None),
    "feed-expired": (410, "Feed Expired", None),
    "request-too-large": (413, "Request Too Large", None),
    "unsupported-encoding": (415, "Unsupported Encoding", None),
    "expectation-failed": (417, "Expectation Failed", None),
    "rate-limit-exceeded": (429, "Too Many Requests", "1"),
    "request-headers-too-large": (431, "Request Header Fields Too Large", None),
    "internal-error": (500, "Internal Server Error", None),
    "unsupported-transfer-coding": (501, "Not Implemented", None),
    "http-version-not-supported": (505, "HTTP Version Not Supported", None),
    "buffer-full": (503, "Service Unavailable", "1"),
    "dlq-full": (503, "Service Unavailable", "5"),
    "log-inconsistent": (503, "Log Inconsistent", "5"),
    "service-unavailable": (503, "Service Unavailable", "5"),
}


def test_no_kind_beyond_the_table() -> None:
    assert KINDS.keys() == TABLE.keys()


@pytest.mark.parametrize("slug", TABLE)
def test_each_kind(slug: str) -> None:
    status, title, retry_after = TABLE[slug]
    problem = Problem(slug, "what happened")
    body = json.loads(problem.body("https://example.com/problems/", "/api/v1/x"))
    assert body == {
        "type": f"https://example.com/problems/{slug}",
        "title": title,
        "status": status,
        "detail": "what happened",
        "instance": "/api/v1/x",
        **({"retry": True} if status in (429, 503) else {}),
    }
    assert problem.headers.get("Retry-After") == retry_after


def test_extensions() -> None:
    problem = Problem(
        "conflict",
        "d",
        title="Workflow Already Exists",
        field_errors={"a": "wrong"},
        headers={"X": "y"},
        members={"resource": "r"},
    )
    body = json.loads(problem.body("b", "/"))
    assert body["title"] == "Workflow Already Exists"
    assert (body["field_errors"], body["resource"]) == ({"a": "wrong"}, "r")
    assert problem.headers == {"X": "y"}


def test_given_values_win_over_those_of_the_kind() -> None:
    problem = Problem("dlq-full", "d", headers={"Retry-After": "30"}, members={"retry": False})
    assert problem.headers["Retry-After"] == "30"
    assert problem.members["retry"] is False


def test_unavailable() -> None:
    assert unavailable().kind.slug == "service-unavailable"
    assert unavailable("else").detail == "else"


def test_an_unknown_slug_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        Problem("no-such", "d")
