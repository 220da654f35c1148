"""The page of a bundle, and the program on it: run as an auditor runs it, with nothing of this project on its path."""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
from datastorage_client.cli.verify_file import EvidenceReport
from datastorage_client.evidence import About, Stream
from datastorage_client.evidence.manifest import parse_manifest
from datastorage_client.evidence.page import page
from datastorage_client.evidence.zip_layout import ENTRIES, EXPORTED, MANIFEST, PAGE, PROOF

from tests.unit.client.cli.support import ROW
from tests.unit.client.evidence.bundles import (
    QUERY,
    bundle,
    check,
    contents,
    export,
    line_of,
    put_exported,
    rewrite,
    told,
    write,
)
from tests.unit.client.evidence.test_bundle import INDEXES, Change, broken_off, lines_of, manifest, mixed, swapped
from tests.unit.client.verify.log_server import KEY, OTHER_KEY, Log

PAGE_OF_DOCS = Path(__file__).parents[4] / "docs" / "evidence.md"
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    log = Log(300)
    log.put_notification(ROW, "notifier")
    return bundle(tmp_path / "evidence.zip", log, (*INDEXES, 300))


@pytest.fixture
def run(path: Path, tmp_path: Path) -> Run:
    """The program as it stands on the page of a bundle that nobody has altered."""
    text = contents(path)[PAGE].decode()
    program = re.search('<pre id="program">(.*?)</pre>', text, re.DOTALL)
    assert program is not None
    (tmp_path / "check.py").write_text(html.unescape(program[1]))

    def check(*arguments: object) -> tuple[int, str]:
        # Without site-packages and environment.
        command = [sys.executable, "-I", "-S", str(tmp_path / "check.py"), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout + done.stderr

    return check


def test_the_program_takes_a_bundle(path: Path, run: Run, tmp_path: Path) -> None:
    code, said = run(path)
    assert (code, "whole and in the log: 9 records, exported by auditor" in said) == (0, True), said
    assert "compare it with one that you have from elsewhere" in said
    key = tmp_path / "log.pub"
    key.write_text(f"# the log's\n{KEY.verifier}\n")
    code, said = run(path, key)
    assert (code, str(KEY.verifier) in said, "elsewhere" in said) == (0, True, False)
    key.write_text(f"{OTHER_KEY.verifier}\n")
    code, said = run(path, key)
    assert (code, said) == (1, f"WRONG: the checkpoint is not signed by the key {KEY.name}+{said.rstrip()[-8:]}\n")


def test_the_program_says_in_a_line_how_it_is_used(path: Path, run: Run, tmp_path: Path) -> None:
    usage = "usage: python3 check.py FILE.zip [KEY.pub]\n"
    none = tmp_path / "none"
    assert [run(), run(path, path, path)] == [(2, usage)] * 2
    assert [run(none), run(path, none)] == [(2, f"{none}: No such file or directory\n{usage}")] * 2
    none.write_bytes(b"")
    assert run(none) == (1, "WRONG: this is no evidence bundle\n")
    assert run(path, none) == (1, f"WRONG: there is no verifier key in {none}\n")
    none.write_bytes(b"x" * 1000)
    assert run(none) == (1, "WRONG: this is no evidence bundle, or its end is missing\n")
    none.write_bytes(b"\xff+x+y")
    assert run(path, none)[0] == 1
    assert run(path, none)[1].startswith("WRONG: it cannot be read: UnicodeDecodeError: ")


def test_the_program_has_no_traceback_for_what_is_in_a_file(path: Path, run: Run) -> None:
    rewrite(path, lines_of(lambda f: [b"{}\n", *f[1:]]), manifest=True)
    code, said = run(path)
    assert (code, said.startswith("WRONG: "), "Traceback" in said) == (1, True, False)


def test_the_commands_of_the_documentation_check_it(path: Path, tmp_path: Path) -> None:
    found = re.findall("^```sh\n(.*?)^```$", PAGE_OF_DOCS.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    commands = [block for block in found if "datastorage export" not in block]
    assert len(commands) == 2
    (tmp_path / "log.pub").write_text(f"{KEY.verifier}\n")

    def run(script: str) -> tuple[int, str]:
        environment = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True,
            timeout=120, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    for block, said in zip(
        commands, ("each record is in the log as it stands here", "whole and in the log"), strict=True
    ):
        code, shown = run(block)
        assert (code, said in shown) == (0, True), shown
    rewrite(path, lines_of(lambda f: [f[0].replace(b"alert-1", b"alert-2"), *f[1:]]))
    assert [run(block)[0] for block in commands] == [1, 1]


def test_the_program_says_what_the_log_has_no_hash_of(run: Run, tmp_path: Path) -> None:
    code, said = run(broken_off(tmp_path / "broken.zip", Log(300)))
    assert (code, "nothing is missing among 3 records, whose answer broke off" in said) == (0, True), said


def test_the_program_does_not_take_two_exports_for_one(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(mixed(tmp_path / "mixed.zip", Log(300), monkeypatch)) == (1, "WRONG: two exports have one id\n")


def test_the_program_sees_that_an_answer_began_too_late(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first answer gave nothing, and the next one begins behind records that are missing."""
    log = Log(300)
    put_exported(log, "pending", "r-0", range=[0, 300])
    lines = [line_of(log, index) for index in INDEXES[3:]]
    body = b"".join(line + b"\n" for line in lines)
    whole = {"rows": len(lines), "bytes": len(body), "sha256": sha256(body).hexdigest()}
    put_exported(log, "pending", "r-1", range=[3, 300])
    put_exported(log, "success", "r-1", range=[3, 300], **whole)
    log.sign()
    none = Stream(request_id="r-0", records=0, bytes=0, sha256=sha256(b"").hexdigest(), whole=False)
    rest = Stream(request_id="r-1", records=len(lines), bytes=len(body), sha256=str(whole["sha256"]), whole=True)
    about = About(query=QUERY, range=(0, 300), principal="auditor", end="300", streams=[none, rest])
    monkeypatch.setattr("datastorage_client.evidence.write.disagreements", lambda *_: iter(()))
    write(tmp_path / "late.zip", log, lines, about)
    assert any("from 3 on, and 0 is where it had to begin" in text for text in told(tmp_path / "late.zip"))
    code, said = run(tmp_path / "late.zip")
    assert (code, said.endswith("WRONG: the range was another one\n")) == (1, True), said


def test_the_program_finds_a_changed_byte(path: Path, run: Run) -> None:
    whole = path.read_bytes()
    for at in range(0, len(whole), len(whole) // 12):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert run(path)[0] != 0, at


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lines_of(lambda f: [*f[:3], *f[4:]]), "entry 7, audit_event 00000000-0000-0000-0000-000000000008: its record"),
        (lines_of(swapped), "entry 1, audit_event 00000000-0000-0000-0000-000000000002: its record is missing"),
        (lines_of(lambda f: [*f, f[-1]], EXPORTED), "there are records without an entry"),
        (lines_of(lambda f: f[1:], PROOF), "WRONG"),
        (lines_of(lambda f: [*f, f[0]], PROOF), "more entries or hashes than the tree has"),
        (lines_of(lambda f: f[1:], ENTRIES), "its record is missing"),
        (lines_of(lambda f: f[:1], EXPORTED), "its record is missing"),
        (manifest(by="mallory"), "somebody else exported this"),
        (manifest(filter={}), "the filter was another one"),
        (manifest(range=(0, 9)), "the range was another one"),
        (manifest(range=(1, 301)), "the range was another one"),
        (manifest(streams=[]), "the export is not whole"),
        (manifest(records=10**6), "the manifest says another number of records"),
        (manifest(size=1), "names another checkpoint"),
    ],
)
def test_the_program_finds_what_was_rewritten(path: Path, run: Run, change: Change, said: str) -> None:
    rewrite(path, change)
    code, output = run(path)
    assert code != 0
    assert said in output or "was altered" in output, output


def test_the_program_names_an_altered_record(path: Path, run: Run) -> None:
    rewrite(path, lines_of(lambda f: [f[0].replace(b'"prod"', b'"dev"'), *f[1:]]))
    code, said = run(path)
    assert (code, said.partition(",")[2]) == (
        1,
        " audit_event 00000000-0000-0000-0000-000000000001: the record was altered\n",
    )


def whole(path: Path, log: Log, indexes: Iterable[int], kinds: str) -> Path:
    """A bundle of these records, of an export without filter."""
    stop = len(log.entries)
    lines, about = export(log, indexes)
    stream = msgspec.structs.replace(about.streams[0], request_id="r-9")
    query = {"kinds": kinds, "format": "ndjson", "salts": "true"}
    told = {"rows": stream.records, "bytes": stream.bytes, "sha256": stream.sha256, "kinds": kinds.split(",")}
    put_exported(log, "pending", "r-9", filters=query, range=[0, stop])
    put_exported(log, "success", "r-9", filters=query, range=[0, stop], **told)
    log.sign()
    write(path, log, lines, replace(about, query=query, range=(0, stop), end=str(stop), streams=[stream]))
    return path


@pytest.mark.parametrize(
    ("count", "kinds", "said", "filtered"),
    [
        (8, "audit_event,notification", "what the 2 entries of the range without a record here are", False),
        (10, "notification,audit_event", None, False),
        (8, "audit_event", None, True),
    ],
)
def test_a_filter_leaves_something_out_where_there_is_one(
    tmp_path: Path, count: int, kinds: str, said: str | None, filtered: bool
) -> None:
    """Of everything that there is each entry between is that of an act or of a record that was removed."""
    log = Log(10)
    path = whole(tmp_path / "whole.zip", log, range(count), kinds)
    found = check(path)
    report = [text for what, text in EvidenceReport(path, found).lines() if what == "not proven"]
    assert found.wrong == []
    assert any("that the filter left nothing out" in text for text in report) == filtered
    between = [text.partition(":")[0] for text in report if "without a record here" in text]
    assert between == ([] if said is None else [said])
    shown = contents(path)[PAGE].decode()
    assert ("That the filter left nothing out" in shown) == filtered
    assert ("that have no record here</b>, 2 in number" in shown) == (said is not None)
    assert ("none: all events and notifications of the range" in shown) != filtered


def test_the_page_says_whom_to_ask_and_what_to_mind(path: Path) -> None:
    shown = " ".join(contents(path)[PAGE].decode().split())
    for said in (
        "ask the operator of log.example/audit for the wheel",
        "it needs nothing but Python and OpenSSL",
        "When a record got its place in the log",
        "Those that are marked sensitive are in it with all that they say, and each record has its salt",
    ):
        assert said in shown


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_the_page_runs_nothing_and_fetches_nothing(path: Path) -> None:
    read = parse_manifest(contents(path)[MANIFEST])
    hostile = "<script>alert(1)</script>\"'&"
    tags = _Tags()
    tags.feed(page(msgspec.structs.replace(read, by=hostile, origin=hostile, filter={hostile: hostile})).decode())
    assert {tag for tag, _ in tags.found} <= {
        "html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "table", "tr", "th", "td", "code", "ul",
        "ol", "li", "b", "pre",
    }  # fmt: skip
    assert not [attributes for _, attributes in tags.found if {"src", "href", "onload", "onclick"} & set(attributes)]
