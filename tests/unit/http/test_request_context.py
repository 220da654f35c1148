from __future__ import annotations

from app.http.request_context import request_id


def test_request_id_outside_of_a_request() -> None:
    assert request_id() == "-"
