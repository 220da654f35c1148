"""What the client's methods take, held against the API document."""

from __future__ import annotations

from typing import Any, get_type_hints

import pytest
from datastorage_client import EventFilters, NotificationFilters, WorkflowFilters

from tests.unit.openapi.test_document import DOCUMENT, resolved

# Of every list, and arguments of the methods themselves.
_PAGING = {"limit", "offset", "cursor", "count", "include"}
# The client sees to it itself that it sends no other parameter.
_OTHERS = {"strict"}


@pytest.mark.parametrize(
    ("path", "filters"),
    [
        ("/api/v1/audit/events", EventFilters),
        ("/api/v1/audit/notifications", NotificationFilters),
        ("/api/v1/workflows", WorkflowFilters),
    ],
)
def test_every_filter_of_the_document_is_an_argument(path: str, filters: type[Any]) -> None:
    parameters = [resolved(p) for p in DOCUMENT["paths"][path]["get"]["parameters"]]
    named = {p["name"] for p in parameters if p["in"] == "query"}
    assert named - _PAGING - _OTHERS == set(get_type_hints(filters))
