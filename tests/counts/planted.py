"""The service made slower on purpose, to see that the counts say so; PLANTED names what is to be added.

Served in tests only, by gunicorn with the service's own gunicorn.conf.py.
"""

from __future__ import annotations

import os
import time
from typing import Any

from app.audit import store
from app.workflows import search

_PLANTED = os.environ["PLANTED"].split(",")
# Of a single event's 600 calls 30 %.
_CALLS = 180
_SLEEP_SECONDS = 0.01
_BYTES = 50_000
_SYSTEM_CALLS = 5

_write_once: Any = store._write_once
_search: Any = search.search


def needless() -> None:
    """Do nothing."""


def _with_calls(session: Any, requests: Any) -> Any:
    for _ in range(_CALLS):
        needless()
    return _write_once(session, requests)


def _with_bytes_and_system_calls(session: Any, requests: Any) -> Any:
    bytearray(_BYTES)
    for _ in range(_SYSTEM_CALLS):
        os.path.exists("/nowhere")
    return _write_once(session, requests)


def _with_round_trip(session: Any, requests: Any) -> Any:
    session.conn.execute("SELECT 'one more round trip'")
    return _write_once(session, requests)


def _with_statement(conn: Any, *arguments: Any, **options: Any) -> Any:
    conn.execute("SELECT 'one more statement'")
    return _search(conn, *arguments, **options)


def import_heavily() -> None:
    """Import what the service has no use for."""
    import unittest.mock  # noqa: F401
    import xmlrpc.server  # noqa: F401


if "calls" in _PLANTED:
    store._write_once = _with_calls
if "bytes and system calls" in _PLANTED:
    store._write_once = _with_bytes_and_system_calls
if "round trip" in _PLANTED:
    store._write_once = _with_round_trip
if "statement" in _PLANTED:
    search.search = _with_statement
if "import" in _PLANTED:
    import_heavily()
if "sleep" in _PLANTED:
    time.sleep(_SLEEP_SECONDS)

# At the end: what is planted is there when the application is made.
from app.wsgi import application  # noqa: E402, F401
