"""Commits that PostgreSQL lets go before a synchronous standby has them: there to see, and lost if that takes over."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import flask
from werkzeug.test import TestResponse

from tests.support import Database, wait_until

LET_GO = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"


def wait_for_standbys(database: Database, names: str) -> None:
    """Let commits wait for standbys of this name, of which there is none; for nobody where it is empty."""
    database.query(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'")
    database.query("SELECT pg_reload_conf()")
    wait_until(lambda: database.query("SHOW synchronous_standby_names") == [(names,)], what="the new setting")


def let_go(app: flask.Flask, database: Database, path: str, sent: Any) -> TestResponse:
    """The answer to a request whose commits are let go as often as they wait."""
    with ThreadPoolExecutor(1) as other:
        asked = other.submit(app.test_client().post, path, json=sent)
        while not asked.done():
            database.query(LET_GO)
            wait([asked], timeout=0.05)
        return asked.result()


def answers(app: flask.Flask, database: Database, path: str, sent: Any) -> list[tuple[int, Any]]:
    """Status and outcome: of a request and of its repetition while commits are let go, and of one when all is well."""
    found: list[tuple[int, Any]] = []

    def asked(answer: TestResponse) -> bool:
        """Whether PostgreSQL was asked: for a while after a commit in doubt it is not."""
        said = (answer.status_code, answer.json.get("outcome"))
        if said != (503, None):
            found.append(said)
        return said != (503, None)

    wait_for_standbys(database, "nobody")
    for _ in range(2):
        wait_until(lambda: asked(let_go(app, database, path, sent)), what="an answer by PostgreSQL")
    wait_for_standbys(database, "")
    wait_until(lambda: asked(app.test_client().post(path, json=sent)), what="an answer by PostgreSQL")
    return found
