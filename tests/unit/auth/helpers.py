"""What the tests of verifiers share."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from app.auth.principal import TokenError


def refusal(verifier: Any, token: str) -> str:
    with pytest.raises(TokenError) as e:
        verifier.principal(token)
    return e.value.reason


def replace(path: Path, text: str) -> None:
    """As Kubernetes does: another file takes the place of this one."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    os.replace(fresh, path)


def jwks(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": list(keys)}).encode()
