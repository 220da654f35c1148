"""The export: all records that are meant, once, in the order of the log; it breaks off so that one can tell."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import flask
import psycopg
import pytest
from datastorage_common.times import rfc3339
from werkzeug.test import TestResponse

from app.audit.accesses import AccessRecorder
from app.audit.own_events import Caller
from app.audit.shapes import EVENT_MEMBERS, NOTIFICATION_MEMBERS
from app.http.problems import Problem
from app.postgres.errors import OutageError
from app.services import Services
from app.telemetry import metrics
from app.transparency import export, export_routes
from tests.integration.service import BATCH, EVENTS, NOTIFICATIONS, problem
from tests.integration.test_feed import QUIET, ids, placed, post
from tests.support import Database, event, notification, wait_until
from tests.verify_support import KEY, fill

EXPORT = "/api/v1/audit/export"
ACCESSES = "SELECT event_data FROM audit_events WHERE event_category = 'datastorage.access'"
FEED = "/api/v1/audit/feed"
BOTH = "audit_event,notification"
Rows = list[dict[str, Any]]


@pytest.fixture
def app(make_app: Callable[..., flask.Flask]) -> flask.Flask:
    """The service, which signs nothing."""
    return make_app(audit=QUIET)


@pytest.fixture
def recording(make_app: Callable[..., flask.Flask]) -> flask.Flask:
    """One that records who exports."""
    return make_app(audit={"record_service": False})


@pytest.fixture(scope="module")
def filled(postgres: Any, template: str) -> Iterator[Database]:
    """781 entries of all kinds under a signed checkpoint."""
    made = postgres.make_database(template)
    fill(made, 700)
    yield made
    made.drop()


@pytest.fixture
def over_all(make_services_on: Callable[..., flask.Flask], filled: Database, tmp_path: Path) -> flask.Flask:
    """The service over these entries."""
    (tmp_path / "log.key").write_text(KEY.encode() + "\n")
    (tmp_path / "log.key").chmod(0o600)
    return make_services_on(filled, audit=QUIET, log={"key_file": str(tmp_path / "log.key")})


def ask(app: flask.Flask, headers: dict[str, str] | None = None, /, **parameters: Any) -> TestResponse:
    return app.test_client().get(
        EXPORT, query_string={k: str(v) for k, v in parameters.items()}, headers=headers, buffered=True
    )


def rows_of(answer: TestResponse) -> Rows:
    assert answer.status_code == 200, answer.text
    assert answer.content_type == "application/x-ndjson"
    assert answer.data.endswith(b"\n") or not answer.data
    return [json.loads(line) for line in answer.data.splitlines()]


def exported(app: flask.Flask, **parameters: Any) -> Rows:
    return rows_of(ask(app, **parameters))


def followed(app: flask.Flask, **parameters: Any) -> Rows:
    """What the feed gives."""
    found: Rows = []
    while True:
        page = json.loads(app.test_client().get(FEED, query_string={"limit": "1000", **parameters}).data)
        found += page["events"]
        if page["caught_up"]:
            return found
        parameters["after"] = page["next"]


@pytest.mark.parametrize("salts", ["false", "true"])
@pytest.mark.parametrize("kinds", ["audit_event", "notification", BOTH])
def test_its_lines_are_the_items_of_the_feed(over_all: flask.Flask, kinds: str, salts: str) -> None:
    expected = [row for row in followed(over_all, kinds=kinds, salts=salts) if "removed" not in row]
    assert len(expected) > 30
    assert exported(over_all, kinds=kinds, salts=salts) == expected
    lines = ask(over_all, kinds=kinds, salts=salts).data.splitlines()
    page = over_all.test_client().get(FEED, query_string={"kinds": kinds, "salts": salts, "limit": "1000"}).data
    assert all(line in page for line in lines), "byte for byte"


@pytest.mark.parametrize("rows", [1, 2, 255, 4096])
def test_it_is_the_same_in_pieces_of_any_size(
    over_all: flask.Flask, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = exported(over_all, kinds=BOTH)
    monkeypatch.setattr(export_routes, "PIECE_ROWS", rows)
    assert exported(over_all, kinds=BOTH) == whole
    monkeypatch.setattr(export_routes, "PIECE_BYTES", 5000)
    assert exported(over_all, kinds=BOTH) == whole, "and where a piece has room for few rows"


@pytest.mark.parametrize(
    "filters",
    [{"namespace": "team-3"}, {"severity": "warning", "since": "1h"}, {"data": '{"hello": "world"}'}, {"until": "1h"}],
    ids=str,
)
def test_filters_are_those_of_the_list(over_all: flask.Flask, filters: dict[str, str]) -> None:
    listed, cursor = [], {}
    while True:
        page = over_all.test_client().get(EVENTS, query_string={**filters, "limit": "500", **cursor}).data
        page = json.loads(page)
        listed += page["data"]
        if not page["pagination"]["has_more"]:
            break
        cursor = {"cursor": page["pagination"]["next_cursor"]}
    expected = [{"kind": "audit_event", **row} for row in listed if row["log_index"] is not None]
    assert exported(over_all, **filters) == sorted(expected, key=lambda row: row["log_index"])


@pytest.mark.parametrize("filters", [{"channel": "email"}, {"status": "failed"}, {"since": "1h", "channel": "slack"}])
def test_filters_of_notifications(app: flask.Flask, filters: dict[str, str]) -> None:
    for n in range(8):
        told = notification(
            notification_id=f"n-{n}",
            channel=("email", "slack")[n % 2],
            status=("sent", "failed")[n // 2 % 2],
        )
        assert app.test_client().post(NOTIFICATIONS, json=told).status_code == 201
    placed(app)
    listed = app.test_client().get(NOTIFICATIONS, query_string={**filters, "limit": "100"}).json["data"]
    assert 0 < len(listed) < 8
    expected = [{"kind": "notification", **row} for row in listed]
    assert exported(app, kinds="notification", **filters) == sorted(expected, key=lambda row: row["log_index"])


@pytest.mark.parametrize(("kind", "members"), [("audit_event", EVENT_MEMBERS), ("notification", NOTIFICATION_MEMBERS)])
def test_csv_has_the_members_of_the_list(over_all: flask.Flask, kind: str, members: tuple[str, ...]) -> None:
    answer = ask(over_all, format="csv", kinds=kind)
    assert answer.content_type == "text/csv; charset=utf-8; header=present"
    text = answer.data.decode()
    assert text.endswith("\r\n")
    head, *rows = csv.reader(io.StringIO(text, newline=""))
    assert head == list(members)
    expected = exported(over_all, kinds=kind)
    assert len(rows) == len(expected) > 30

    def cell(member: str, row: dict[str, Any]) -> str:
        value = row.get(member)
        if isinstance(value, bool):
            return "true" if value else "false"
        return "" if value is None else str(value)

    for row, known in zip(rows, expected, strict=True):
        given = dict(zip(head, row, strict=True))
        if kind == "audit_event":
            assert json.loads(given.pop("event_data")) == known["event_data"]
        assert given == {member: cell(member, known) for member in given}


def test_no_spreadsheet_runs_a_cell(app: flask.Flask) -> None:
    texts = [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "＝1",
        "'quoted",
        "plain",
        'say "hi", you\r\nthere',
        "",
        "ok=",
    ]
    stored = [event(resource_id=text or "x", error_message=text) for text in texts]
    assert app.test_client().post(BATCH, json=stored).status_code == 201
    placed(app)
    head, *rows = csv.reader(io.StringIO(ask(app, format="csv").data.decode(), newline=""))
    for text, row in zip(texts, rows, strict=True):
        cell = row[head.index("error_message")]
        assert cell[:1] not in [*"=+-@\t\r＝"]
        assert cell.removeprefix("'") == text, "taking one away gives the text back"
        assert (cell == text) == (text in ("plain", "ok=", "") or text.startswith("say")), "and no other cell has one"


@pytest.mark.parametrize("form", ["ndjson", "csv"])
@pytest.mark.parametrize("wanted", ["gzip", "br;q=1, gzip;q=0.5", "*"])
def test_it_is_packed_where_that_is_asked_for(app: flask.Flask, form: str, wanted: str) -> None:
    post(app, 5)
    plain = ask(app, {"Accept-Encoding": "identity"}, format=form)
    packed = ask(app, {"Accept-Encoding": wanted}, format=form)
    assert (plain.headers.get("Content-Encoding"), packed.headers["Content-Encoding"]) == (None, "gzip")
    assert gzip.decompress(packed.data) == plain.data
    assert packed.headers["Vary"] == "Accept, Accept-Encoding"


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("text/csv", "text/csv"),
        ("application/x-ndjson", "application/x-ndjson"),
        ("text/csv;q=0.1, application/x-ndjson", "application/x-ndjson"),
        ("*/*", "application/x-ndjson"),
        ("application/json", "application/x-ndjson"),
    ],
)
def test_accept_says_which_format(app: flask.Flask, accept: str, media: str) -> None:
    assert ask(app, {"Accept": accept}).mimetype == media
    assert ask(app, {"Accept": accept}, format="csv").mimetype == "text/csv"


@pytest.mark.parametrize("place", ["row", "index", "cursor"])
def test_it_goes_on_behind_any_row(over_all: flask.Flask, place: str) -> None:
    whole = exported(over_all, kinds=BOTH)
    for row in whole[::97]:
        named = {
            "audit_event": f"{row.get('event_date')}/{row.get('event_id')}",
            "notification": f"notification/{row.get('id')}",
        }[row["kind"]]
        if place == "index":
            named = str(row["log_index"])
        if place == "cursor":
            named = ask(over_all, before=str(row["log_index"] + 1)).headers["Datastorage-Export-Before"]
        rest = exported(over_all, kinds=BOTH, after=named)
        assert rest == [other for other in whole if other["log_index"] > row["log_index"]]
        if place != "cursor":
            until = exported(over_all, kinds=BOTH, before=named)
            assert until == [other for other in whole if other["log_index"] < row["log_index"]]
        else:
            until = exported(over_all, kinds=BOTH, before=named)
            assert until == [other for other in whole if other["log_index"] <= row["log_index"]]


def test_both_parts_are_what_one_would_have_been(app: flask.Flask) -> None:
    stored = post(app, 20)
    first = ask(app)
    post(app, 5)
    row = rows_of(first)[7]
    rest = ask(app, after=f"{row['event_date']}/{row['event_id']}", before=first.headers["Datastorage-Export-Before"])
    assert [*ids(rows_of(first)[:8]), *ids(rows_of(rest))] == stored
    assert rest.headers["Datastorage-Export-Before"] == first.headers["Datastorage-Export-Before"]
    assert (first.headers["Datastorage-Log-Range"], rest.headers["Datastorage-Log-Range"]) == ("0-20", "8-20")


def test_the_feed_goes_on_behind_it(app: flask.Flask) -> None:
    post(app, 3)
    answer = ask(app)
    later = post(app, 2)
    link = answer.headers["Link"]
    assert link.endswith('>; rel="next"')
    page = app.test_client().get(link[1 : link.index(">")]).json
    assert ids(page["events"]) == later


def test_it_ends_where_the_log_is_signed(database: Database, make_app: Callable[..., flask.Flask]) -> None:
    fill(database, 40)
    size = database.query("SELECT size FROM log_head")[0][0]
    app = make_app(audit=QUIET, log={"key_file": None})
    assert ask(app).headers["Datastorage-Log-Range"] == f"0-{size}"


@pytest.mark.parametrize(
    ("asked", "wrong"),
    [
        ({"after": "x"}, "after"),
        ({"before": "2026-11-29/x"}, "before"),
        ({"after": "2026-13-01/01890a5d-ac96-774b-bcce-b302099a8057"}, "after"),
        ({"after": "2026-01-01/01890a5d-ac96-774b-bcce-b302099a8057"}, "after"),
        ({"before": "notification/77"}, "before"),
        ({"before": "9000"}, "before"),
        ({"after": "9000"}, "after"),
        ({"after": "999999999999999999"}, "after"),
        ({"after": "a" * 108}, "after"),
        ({"before": "a" * 108}, "before"),
        ({"format": "xml"}, "format"),
        ({"kinds": "act"}, "kinds"),
        ({"kinds": BOTH, "format": "csv"}, "kinds"),
        ({"kinds": BOTH, "since": "1h"}, "since"),
        ({"kinds": "notification", "severity": "x", "data": "{}"}, "severity data"),
        ({"channel": "email", "status": "sent"}, "channel status"),
        ({"salts": "true", "format": "csv"}, "salts"),
        ({"salts": "maybe", "since": "x", "event_outcome": "y"}, "salts since event_outcome"),
        ({"limit": "7"}, "limit"),
        ({"evnt_type": "x"}, "evnt_type"),
    ],
    ids=str,
)
def test_what_is_no_question(app: flask.Flask, asked: dict[str, str], wrong: str) -> None:
    post(app, 1)
    found = problem(ask(app, **asked), 400, "validation-error", EXPORT)
    assert found["field_errors"].keys() == set(wrong.split())


def test_two_places_for_one_are_refused(app: flask.Flask) -> None:
    answer = app.test_client().get(f"{EXPORT}?after=1&after=2&before=3&before=4")
    assert problem(answer, 400, "validation-error", EXPORT)["field_errors"].keys() == {"after", "before"}


def test_a_cursor_of_another_log_is_told(app: flask.Flask, filled: Database, make_services_on: Any) -> None:
    post(app, 30)
    cursor = ask(app).headers["Datastorage-Export-Before"]
    parts: Services = app.extensions["datastorage"]
    with psycopg.connect(parts.settings.database.url, autocommit=True) as conn:
        key = conn.execute("SELECT key FROM log_feed_key").fetchone()
    other = make_services_on(filled, audit=QUIET)
    with psycopg.connect(filled.superuser_url, autocommit=True) as conn:
        [kept] = conn.execute("SELECT key FROM log_feed_key").fetchall()
        conn.execute("UPDATE log_feed_key SET key = %s", key)
        try:
            for name in ("after", "before"):
                problem(ask(other, **{name: cursor}), 410, "feed-restarted", EXPORT)
        finally:
            conn.execute("UPDATE log_feed_key SET key = %s", kept)


def test_a_log_that_contradicts_itself_gives_none(app: flask.Flask, database: Database) -> None:
    post(app, 1)
    with psycopg.connect(database.superuser_url, autocommit=True) as conn:
        conn.execute("UPDATE log_head SET inconsistent = 'another tree'")
    problem(ask(app), 503, "log-inconsistent", EXPORT)


def test_entries_from_long_before_are_not_looked_at(
    database: Database, make_app: Callable[..., flask.Flask], tmp_path: Path
) -> None:
    """Where checkpoints tell that they are older than what is asked for, whatever clocks said."""
    fill(database, 300)
    size = database.query("SELECT size FROM log_head")[0][0]
    (tmp_path / "log.key").write_text(KEY.encode() + "\n")
    (tmp_path / "log.key").chmod(0o600)
    app = make_app(audit=QUIET, log={"key_file": str(tmp_path / "log.key")})
    assert ask(app, since="1h").headers["Datastorage-Log-Range"].startswith("0-"), "signed just now"
    with psycopg.connect(database.superuser_url, autocommit=True) as conn:
        conn.execute("SET session_replication_role = replica")
        conn.execute("UPDATE log_checkpoints SET signed_at = now() - interval '3 days'")
    stored = post(app, 4)
    wait_until(lambda: len(exported(app, since="1h", correlation_id="correlation-1")) >= 4, what="signed")
    answer = ask(app, since="1h")
    assert answer.headers["Datastorage-Log-Range"].startswith(f"{size}-")
    assert set(stored) <= set(ids(rows_of(answer)))
    assert ask(app, since="80h").headers["Datastorage-Log-Range"].startswith("0-")
    early = f"{size}-"
    assert not ask(app, since="50h").headers["Datastorage-Log-Range"].startswith(early), "a day is left for clocks"


def test_a_clock_that_went_back_hides_nothing(
    database: Database, make_app: Callable[..., flask.Flask], tmp_path: Path
) -> None:
    """A checkpoint that says an earlier time than one of fewer entries was signed later than that all the same."""
    (tmp_path / "log.key").write_text(KEY.encode() + "\n")
    (tmp_path / "log.key").chmod(0o600)
    app = make_app(audit=QUIET, log={"key_file": str(tmp_path / "log.key")})
    stored: list[str] = []
    for count, known in ((2, 2), (3, 5), (3, 8), (40, 48)):
        stored += post(app, count)
        wait_until(lambda known=known: len(ids(exported(app))) == known, what="signed")
    signed = "SELECT size FROM log_checkpoints WHERE origin = (SELECT origin FROM log_head) AND size <= 5 ORDER BY size"
    sizes = [size for (size,) in database.query(signed)]
    assert sizes[-1] == 5
    with psycopg.connect(database.superuser_url, autocommit=True) as conn:
        conn.execute("SET session_replication_role = replica")
        # By a clock that was four days behind from then on; what halves the log meets none but these.
        conn.execute("UPDATE log_checkpoints SET signed_at = signed_at - interval '4 days' WHERE size <> 5")
    answer = ask(app, since="1h")
    before = max([size for size in sizes if size < 5], default=0)
    assert answer.headers["Datastorage-Log-Range"].startswith(f"{before}-")
    assert set(stored[2:]) <= set(ids(rows_of(answer)))


def test_an_event_that_was_ahead_of_its_time_is_not_passed_over(
    database: Database, make_app: Callable[..., flask.Flask], tmp_path: Path
) -> None:
    """What may be ahead by a setting was stored, and signed, so long before its own time."""
    fill(database, 300)
    (tmp_path / "log.key").write_text(KEY.encode() + "\n")
    (tmp_path / "log.key").chmod(0o600)
    app = make_app(audit={**QUIET, "clock_skew": 3 * 86400.0}, log={"key_file": str(tmp_path / "log.key")})
    ahead = rfc3339(datetime.now(UTC) + timedelta(days=3) - timedelta(hours=1))
    stored = post(app, 1, event_timestamp=ahead)
    wait_until(lambda: stored[0] in ids(exported(app)), what="signed")
    with psycopg.connect(database.superuser_url, autocommit=True) as conn:
        conn.execute("SET session_replication_role = replica")
        conn.execute("UPDATE log_checkpoints SET signed_at = signed_at - interval '3 days 12 hours'")
        conn.execute("UPDATE audit_events SET event_timestamp = event_timestamp - interval '3 days 12 hours'")
    assert stored[0] in ids(exported(app, since="14h")), "its time was half a day ago, and it was stored long before"


def own(database: Database) -> list[tuple[Any, ...]]:
    return database.query(
        "SELECT event_outcome, actor_id, correlation_id, event_data FROM audit_events"
        " WHERE event_type = 'datastorage.audit.exported' ORDER BY recorded_at, event_id"
    )


def test_who_exports_is_recorded_before_and_after(recording: flask.Flask, database: Database) -> None:
    post(recording, 6, is_sensitive=True)
    post(recording, 3)
    answer = ask(recording, {"X-Request-ID": "r-1"}, format="csv", until="0h")
    (pending, *begun), (success, *ended) = own(database)
    assert (pending, success) == ("pending", "success")
    assert begun[:2] == ended[:2] == ["anonymous", "r-1"]
    shared = {
        "request_id": "r-1", "route": f"GET {EXPORT}", "filters": {"format": "csv", "until": "0h"}, "format": "csv",
        "kinds": ["audit_event"], "salts": False, "range": [0, 9],
    }  # fmt: skip
    assert begun[2] == shared
    digest = hashlib.sha256(answer.data).hexdigest()
    assert ended[2] == {**shared, "rows": 9, "sensitive_events": 6, "bytes": len(answer.data), "sha256": digest}
    assert len(accesses(database)) == 2, "no other record for the sensitive ones in it"


@pytest.mark.parametrize("path", [EXPORT, FEED, "/api/v1/audit/events"])
def test_no_parameters_push_out_of_the_record_what_was_asked(
    recording: flask.Flask, database: Database, path: str
) -> None:
    post(recording, 1, is_sensitive=True, actor_id="alice")
    others = {f"other-{n}": "" for n in range(40)}
    answer = recording.test_client().get(path, query_string={"strict": "false", **others, "actor_id": "alice"})
    assert (answer.status_code, answer.data.count(b'"actor_id":"alice"')) == (200, 1)
    kept = [told["filters"] for (told,) in database.query(ACCESSES)]
    assert {(filters.get("actor_id"), len(filters)) for filters in kept} == {("alice", 32)}


def accesses(database: Database) -> list[Any]:
    return database.query("SELECT event_type FROM audit_events WHERE event_category = 'datastorage.access'")


def test_a_name_in_any_characters(recording: flask.Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    caller = Caller("Łukasz\r\nX: y", None, "r-1", None, "GET /")
    monkeypatch.setattr(export_routes, "current_caller", lambda: caller)
    answer = ask(recording)
    assert answer.status_code == 200
    assert answer.headers["Datastorage-Principal"] == "%C5%81ukasz%0D%0AX:%20y"


@pytest.mark.parametrize("kept", [[False], [True, False]])
def test_what_cannot_be_recorded_is_not_whole(
    recording: flask.Flask, kept: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    post(recording, 3)
    left = list(kept)
    monkeypatch.setattr(AccessRecorder, "keep_export", lambda *_: left.pop(0) if left else True)
    if kept == [False]:
        problem(ask(recording), 503, "service-unavailable", EXPORT)
    else:
        with pytest.raises(Problem, match="who exports records is recorded"):
            ask(recording)


@pytest.mark.parametrize(
    "error",
    [psycopg.OperationalError("gone"), OutageError(), RuntimeError("a mistake")],
    ids=lambda e: type(e).__name__,
)
def test_it_breaks_off_and_that_is_recorded(
    recording: flask.Flask, database: Database, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    post(recording, 9)
    monkeypatch.setattr(export_routes, "PIECE_ROWS", 4)
    before = metrics.EXPORTS.labels("ndjson", "broken")._value.get()
    read, calls = export_routes.read_records, []

    def failing(*args: Any, **keywords: Any) -> Any:
        calls.append(args)
        if len(calls) == 2:
            raise error
        return read(*args, **keywords)

    monkeypatch.setattr(export_routes, "read_records", failing)
    answer = recording.test_client().get(EXPORT)
    parts = iter(answer.response)
    assert next(parts).count(b"\n") == 4
    with pytest.raises(Problem) as raised:
        next(parts)
    assert raised.value.kind.status == (500 if isinstance(error, RuntimeError) else 503)
    answer.close()
    assert [(outcome, data.get("rows")) for outcome, _, _, data in own(database)] == [("pending", None), ("failure", 4)]
    assert metrics.EXPORTS.labels("ndjson", "broken")._value.get() == before + 1
    assert metrics.EXPORTS_RUNNING._value.get() == 0


def test_a_reader_that_leaves_is_recorded(recording: flask.Flask, database: Database) -> None:
    post(recording, 2)
    answer = recording.test_client().get(EXPORT)
    answer.close()
    assert [row[0] for row in own(database)] == ["pending", "failure"]


def test_it_ends_when_the_instance_stops(recording: flask.Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    post(recording, 9)
    monkeypatch.setattr(export_routes, "PIECE_ROWS", 1)
    answer = recording.test_client().get(EXPORT)
    parts = iter(answer.response)
    given = [next(parts)]
    services: Services = recording.extensions["datastorage"]
    services.draining = True
    with pytest.raises(Problem, match="this instance stops"):
        given += parts
    answer.close()
    assert len(given) <= 2, "what was read ahead may still come"
    problem(ask(recording), 503, "service-unavailable", EXPORT)
    services.draining = False


def test_few_at_a_time(make_app: Callable[..., flask.Flask]) -> None:
    app = make_app(audit=QUIET, server={"threads": 16})
    post(app, 2)
    first, second = (app.test_client().get(EXPORT) for _ in range(2))
    refused = problem(ask(app), 503, "service-unavailable", EXPORT)
    assert "under way" in refused["detail"]
    first.close()
    with app.test_client().get(EXPORT) as third:
        assert third.status_code == 200, "closed without having been read"
    assert len(second.data.splitlines()) == 2
    assert len(exported(app)) == 2, "read to its end without having been closed"


def test_only_its_head_is_asked_for(recording: flask.Flask, database: Database) -> None:
    post(recording, 2)
    for _ in range(3):
        answer = recording.test_client().head(EXPORT)
        assert (answer.status_code, answer.data) == (200, b"")
        assert answer.headers["Datastorage-Log-Range"] == "0-2"
    assert own(database) == []


def test_http_1_0_is_refused(app: flask.Flask) -> None:
    answer = app.test_client().get(EXPORT, environ_overrides={"SERVER_PROTOCOL": "HTTP/1.0"})
    problem(answer, 505, "http-version-not-supported", EXPORT)


def test_something_comes_while_nothing_is_found(app: flask.Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    post(app, 40)
    monkeypatch.setattr(export, "_SILENCE_SECONDS", 0.0)
    monkeypatch.setattr(export_routes, "PIECE_ROWS", 1)
    monkeypatch.setattr("app.transparency.records_read._MAX_LOOKED_AT", 3)
    answer = ask(app, {"Accept-Encoding": "gzip"}, severity="none")
    assert gzip.decompress(answer.data) == b""
    assert answer.data.count(b"\x00\x00\x00\xff\xff") > 10
    stored = post(app, 1, severity="none")
    assert ids([json.loads(gzip.decompress(ask(app, {"Accept-Encoding": "gzip"}, severity="none").data))]) == stored


def test_a_record_that_was_removed_is_not_in_it(app: flask.Flask, database: Database) -> None:
    stored = post(app, 5)
    with psycopg.connect(database.superuser_url, autocommit=True) as conn:
        conn.execute("SET session_replication_role = replica")
        conn.execute("DELETE FROM audit_events WHERE event_id = %s", (stored[2],))
    assert ids(exported(app)) == stored[:2] + stored[3:]
    [day] = {row["event_date"] for row in exported(app)}
    assert ids(exported(app, after=f"{day}/{stored[2]}")) == stored[3:], "and it goes on behind it all the same"
