"""How one setting is declared, and how its value is shown to people."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Any

# A password in a URL may hold colons, one in a key=value text may be quoted or escaped; too much masked is fine.
_USERINFO = re.compile(r"(://[^:@/]*):.*@")
_PASSWORD = re.compile(
    r"((?:password|scram_client_key|scram_server_key|client_secret)\s*=\s*)(?:'(?:\\.|[^'\\])*'|(?:\\.|\S)+)"
)


def setting(default: Any, parse: Callable[[object], Any], help_text: str, *, secret: bool = False) -> Any:
    """One setting: its default in parsed form, how its value is read, and what it does."""
    # A secret is in no representation either: that ends up in logs and tracebacks.
    metadata = {"parse": parse, "help": help_text, "secret": secret}
    return dataclasses.field(default=default, repr=not secret, metadata=metadata)


def masked(f: dataclasses.Field[Any], value: Any) -> Any:
    """A value as it may be shown: without the passwords of a secret one."""
    if value is None or not f.metadata["secret"]:
        return [v.shown() if hasattr(v, "shown") else v for v in value] if isinstance(value, tuple) else value
    return _PASSWORD.sub(r"\1****", _USERINFO.sub(r"\1:****@", value))
