"""Evidence of a real service: what it exports becomes a bundle that holds, and what was edited there does not."""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import flask
import psycopg
import pytest
from datastorage_client.evidence import About, EvidenceError, Stream, Written, check_evidence, write_evidence
from datastorage_client.evidence.errors import RecordRefusedError
from datastorage_client.evidence.zip_layout import PAGE, RECORDS
from datastorage_client.evidence.zip_read import ZipReader
from datastorage_client.problems import problem
from datastorage_client.verify.steps import Fetch
from datastorage_client.verify.trust import Trust

from tests.read_limits import bearer, named_principals
from tests.support import Database, PostgresServer
from tests.verify_edits import swap_contents
from tests.verify_support import KEY, fill, pinned

EXPORT = "/api/v1/audit/export"
BOTH = "audit_event,notification"
TRUST = Trust((KEY.verifier,))
AUDITOR = bearer("unlimited")


@pytest.fixture
def filled(postgres: PostgresServer, template: str) -> Iterator[Database]:
    """781 entries of all kinds, old ones among them, under a signed checkpoint."""
    made = postgres.make_database(template)
    fill(made, 700)
    yield made
    made.drop()


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "log.key"
    path.touch(0o600)
    path.write_text(KEY.encode() + "\n")
    return path


@pytest.fixture
def app(make_services_on: Callable[..., flask.Flask], filled: Database, key_file: Path) -> Iterator[flask.Flask]:
    """A service that knows its callers, records who exports, and signs."""
    with named_principals():
        yield make_services_on(filled, audit={"record_service": False}, log={"key_file": str(key_file)})


@pytest.fixture
def fetch(app: flask.Flask) -> Fetch:
    def fetch(path: str, accept: str, max_bytes: int | None = None, /) -> bytes:
        answer = app.test_client().get(path, headers={"Accept": accept, **AUDITOR})
        if answer.status_code != 200:
            raise problem(answer.status_code, answer.headers, answer.data)
        return answer.data

    return fetch


def stream_of(lines: list[bytes], request_id: str, *, whole: bool = True) -> Stream:
    body = b"".join(line + b"\n" for line in lines)
    digest = sha256(body).hexdigest()
    return Stream(request_id=request_id, records=len(lines), bytes=len(body), sha256=digest, whole=whole)


def export(app: flask.Flask, rows: int | None = None, **query: str) -> tuple[list[bytes], About]:
    """The lines of an answer, or its first ones, and what is known of it."""
    asked = {**query, "format": "ndjson", "salts": "true"}
    answer = app.test_client().get(EXPORT, query_string=asked, headers=AUDITOR, buffered=True)
    assert answer.status_code == 200, answer.text
    lines = answer.data.splitlines()[:rows]
    first, _, stop = answer.headers["Datastorage-Log-Range"].partition("-")
    stream = stream_of(lines, answer.headers["X-Request-ID"], whole=rows is None)
    about = About(
        query={name: text for name, text in asked.items() if name not in ("after", "before")},
        range=(int(first), int(stop)), principal=answer.headers["Datastorage-Principal"],
        end=answer.headers["Datastorage-Export-Before"], streams=[stream],
    )  # fmt: skip
    return lines, about


def write(path: Path, fetch: Fetch, lines: list[bytes], about: About) -> Written:
    return write_evidence(path, lines, fetch, TRUST, lambda: about)


def program(path: Path, tmp_path: Path) -> tuple[int, str]:
    """What the program on the page of a bundle says of it."""
    with ZipReader(path) as bundle:
        text = b"".join(bundle.open(PAGE)).decode()
    found = re.search('<pre id="program">(.*?)</pre>', text, re.DOTALL)
    assert found is not None
    (tmp_path / "check.py").write_text(html.unescape(found[1]))
    (tmp_path / "log.pub").write_text(f"{KEY.verifier}\n")
    command = [sys.executable, "-I", "-S", str(tmp_path / "check.py"), str(path), str(tmp_path / "log.pub")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout + done.stderr


def test_records_of_every_kind_are_evidence(app: flask.Flask, fetch: Fetch, tmp_path: Path) -> None:
    lines, about = export(app, kinds=BOTH)
    path = tmp_path / "evidence.zip"
    written = write(path, fetch, lines, about)
    assert written.records == len(lines) > 700
    found = check_evidence(path, TRUST)
    assert ([str(fault) for fault in found.wrong], found.compared) == ([], len(lines) + 2)
    assert (found.kinds["notification"] > 0, found.broken_off, found.other_page) == (True, None, False)
    assert [(event.principal, event.is_whole) for event in found.exported] == [
        ("unlimited", False),
        ("unlimited", True),
    ]
    code, said = program(path, tmp_path)
    assert (code, f"whole and in the log: {len(lines)} records, exported by unlimited" in said) == (0, True), said


@pytest.mark.parametrize(
    "query", [{"namespace": "team-3"}, {"event_type": "no.such.type"}, {"after": "9", "before": "12"}]
)
def test_what_a_filter_or_a_range_gives_is_evidence(
    app: flask.Flask, fetch: Fetch, tmp_path: Path, query: dict[str, str]
) -> None:
    lines, about = export(app, **query)
    path = tmp_path / "evidence.zip"
    write(path, fetch, lines, about)
    found = check_evidence(path, TRUST)
    assert (found.first, found.compared) == (None, len(lines) + 2)
    assert found.manifest is not None
    assert found.manifest.filter == {name: text for name, text in query.items() if name not in ("after", "before")}
    assert program(path, tmp_path)[0] == 0


def test_an_answer_that_broke_off_goes_on(app: flask.Flask, fetch: Fetch, tmp_path: Path) -> None:
    first, begun = export(app, 50)
    last = json.loads(first[-1])["log_index"]
    rest, ended = export(app, after=str(last), before=begun.end)
    about = About(
        query=begun.query, range=begun.range, principal=begun.principal, end=begun.end,
        streams=[*begun.streams, *ended.streams],
    )  # fmt: skip
    path = tmp_path / "evidence.zip"
    write(path, fetch, [*first, *rest], about)
    found = check_evidence(path, TRUST)
    assert (found.first, found.compared) == (None, len(first) + len(rest) + 4)
    assert found.broken_off is not None
    assert (found.broken_off.records, found.broken_off.last) == (50, int(last))
    code, said = program(path, tmp_path)
    assert (code, "nothing is missing among 50 records" in said) == (0, True), said


def test_who_left_records_out_or_has_another_name_gets_no_bundle(
    app: flask.Flask, fetch: Fetch, tmp_path: Path
) -> None:
    lines, about = export(app)
    path = tmp_path / "evidence.zip"
    with pytest.raises(EvidenceError, match=f"had {len(lines)} records when it was sent"):
        write(path, fetch, lines[1:], replace(about, streams=[stream_of(lines[1:], about.streams[0].request_id)]))
    with pytest.raises(EvidenceError, match="was given to unlimited, and the manifest says mallory"):
        write(path, fetch, lines, replace(about, principal="mallory"))
    assert not path.exists()


def test_what_was_edited_in_the_database_is_refused_by_name(
    app: flask.Flask, fetch: Fetch, filled: Database, tmp_path: Path
) -> None:
    with psycopg.connect(filled.superuser_url) as conn:
        conn.execute("SET session_replication_role = replica")
        [(ident,)] = conn.execute(
            "UPDATE audit_events SET actor_id = 'somebody else' WHERE correlation_id = 'c-20' RETURNING event_id::text"
        ).fetchall()
    lines, about = export(app)
    with pytest.raises(RecordRefusedError, match=f"audit_event {ident}, entry [0-9]+: its content does not give"):
        write(tmp_path / "evidence.zip", fetch, lines, about)
    assert not (tmp_path / "evidence.zip").exists()


def test_swapped_records_are_refused(app: flask.Flask, fetch: Fetch, filled: Database, tmp_path: Path) -> None:
    with pinned(filled) as conn:
        conn.execute("SET session_replication_role = replica")
        edit = swap_contents(conn)
    lines, about = export(app)
    assert edit.record is not None
    with pytest.raises(RecordRefusedError, match=edit.record[1]):
        write(tmp_path / "evidence.zip", fetch, lines, about)


def test_its_records_are_the_bytes_of_the_answer(app: flask.Flask, fetch: Fetch, tmp_path: Path) -> None:
    lines, about = export(app, kinds=BOTH)
    path = tmp_path / "evidence.zip"
    write(path, fetch, lines, about)
    with ZipReader(path) as bundle:
        data = b"".join(bundle.open(RECORDS))
    assert data == b"".join(line + b"\n" for line in lines)
    assert sha256(data).hexdigest() == about.streams[0].sha256
