from __future__ import annotations

import json
from typing import Any


def problem_of(response: Any, status: int, slug: str) -> dict[str, Any]:
    assert response.status_code == status
    assert response.content_type == "application/problem+json"
    body = json.loads(response.data)
    assert body["type"] == f"https://kubernaut.ai/problems/{slug}"
    assert body["status"] == status
    assert body.keys() >= {"title", "detail", "instance"}
    return dict(body)
