"""Bundles as they are written, and every way in which somebody may alter one."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, tzinfo
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from datastorage_client.cli.verify_file import EvidenceReport
from datastorage_client.evidence import About, EvidenceError, Stream, check_evidence, write_evidence, zip_layout
from datastorage_client.evidence import write as write_module
from datastorage_client.evidence.errors import RecordRefusedError
from datastorage_client.evidence.exported import BrokenOff
from datastorage_client.evidence.lines import entry_line
from datastorage_client.evidence.manifest import parse_manifest
from datastorage_client.evidence.zip_layout import (
    CHECKPOINT,
    ENTRIES,
    EXPORTED,
    KEYS,
    MANIFEST,
    METHODS,
    PAGE,
    PROOF,
    RECORDS,
)
from datastorage_client.evidence.zip_read import STRUCTURE, MemberReader, ZipReader
from datastorage_client.verify.trust import Trust
from datastorage_common.files import ReadError
from datastorage_common.notes import make_key

from tests.unit.client.cli.support import ROW
from tests.unit.client.evidence.bundles import (
    QUERY,
    REQUEST,
    TRUST,
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
from tests.unit.client.verify.log_server import KEY, OTHER_KEY, Log
from tests.unit.client.verify.test_tree import fetch_from

INDEXES = (0, 1, 2, 7, 8, 255, 256, 280)
Change = Callable[[dict[str, bytes]], None]


@pytest.fixture
def log() -> Log:
    return Log(300)


@pytest.fixture
def path(tmp_path: Path, log: Log) -> Path:
    return bundle(tmp_path / "evidence.zip", log, INDEXES)


# --- as it is written ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("indexes", [(), (0,), (299,), INDEXES, range(300)])
def test_what_was_written_verifies(tmp_path: Path, log: Log, indexes: tuple[int, ...]) -> None:
    found = check(bundle(tmp_path / "evidence.zip", log, indexes))
    assert (found.wrong, found.compared, found.other_page) == ([], len(indexes) + 2, False)
    assert found.manifest is not None
    assert (found.manifest.records, found.manifest.by, found.manifest.range) == (len(indexes), "auditor", (0, 300))
    assert [event.is_whole for event in found.exported] == [False, True]


def test_it_is_a_zip_for_everybody(path: Path, log: Log) -> None:
    with zipfile.ZipFile(path) as file:
        assert (file.testzip(), file.namelist()) == (None, [*METHODS])
        assert file.read(RECORDS) == b"".join(line_of(log, index) + b"\n" for index in INDEXES)
        assert file.comment == b"sha256:" + sha256(path.read_bytes()[: -len(file.comment) - 22]).hexdigest().encode()


def test_notifications_are_evidence_too(tmp_path: Path, log: Log) -> None:
    log.put_notification(ROW, "notifier")
    found = check(bundle(tmp_path / "evidence.zip", log, (7, 300)))
    assert (found.wrong, found.kinds) == ([], {"audit_event": 3, "notification": 1})


def test_each_tile_and_bundle_is_asked_for_once(tmp_path: Path) -> None:
    log = Log(70_000 // 64)
    lines, about = export(log, range(0, 1000, 2))
    log.asked.clear()
    write(tmp_path / "evidence.zip", log, lines, about)
    tiles = [path for path in log.asked if "/tile/" in path]
    assert len(tiles) == len(set(tiles)) == 2 + 4 + 5


def broken_off(path: Path, log: Log) -> Path:
    """A bundle of two answers, the first of which broke off behind three records."""
    lines = [line_of(log, index) for index in INDEXES]
    parts = [lines[:3], lines[3:]]
    bodies = [b"".join(line + b"\n" for line in part) for part in parts]
    streams = [
        Stream(request_id=f"r-{n}", records=len(part), bytes=len(body), sha256=sha256(body).hexdigest(), whole=n == 1)
        for n, (part, body) in enumerate(zip(parts, bodies, strict=True))
    ]
    put_exported(log, "pending", "r-0", range=[0, 300])
    put_exported(log, "failure", "r-0", range=[0, 300], rows=5, bytes=5000, sha256="0" * 64)
    put_exported(log, "pending", "r-1", range=[3, 300])
    end = {"rows": 5, "bytes": streams[1].bytes, "sha256": streams[1].sha256}
    put_exported(log, "success", "r-1", range=[3, 300], **end)
    _, about = export(log, ())
    write(path, log, lines, replace(about, end="300", streams=streams, range=(0, 300)))
    return path


def mixed(path: Path, log: Log, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundle of somebody who exported twice under one id: that it began is of the one, its end of the other."""
    lines = [line_of(log, index) for index in INDEXES[3:]]
    body = b"".join(line + b"\n" for line in lines)
    digest = sha256(body).hexdigest()
    put_exported(log, "pending", "r-9", range=[0, 300])
    put_exported(log, "success", "r-9", range=[3, 300], rows=len(lines), bytes=len(body), sha256=digest)
    log.sign()
    stream = Stream(request_id="r-9", records=len(lines), bytes=len(body), sha256=digest, whole=True)
    about = About(query=QUERY, range=(0, 300), principal="auditor", end="300", streams=[stream])
    monkeypatch.setattr("datastorage_client.evidence.write.disagreements", lambda *_: iter(()))
    write(path, log, lines, about)
    return path


def test_an_export_that_broke_off_and_went_on_is_one(tmp_path: Path, log: Log) -> None:
    path = broken_off(tmp_path / "evidence.zip", log)
    assert told(path) == []
    rewrite(path, lines_of(lambda f: [f[0].replace(b"prod", b"dev1"), *f[1:]]))
    assert any(line.startswith("audit_event") and "entry 0" in line for line in told(path))


def test_of_how_many_records_the_log_has_no_hash_is_said(tmp_path: Path, path: Path) -> None:
    assert check(path).broken_off is None
    assert check(broken_off(tmp_path / "broken.zip", Log(300))).broken_off == BrokenOff(3, 0, 2)


def test_a_filter_of_which_the_log_has_the_beginning_is_said(tmp_path: Path, log: Log) -> None:
    asked = {**QUERY, "data": json.dumps({"note": "x" * 300})}
    kept = {name: text[:256] for name, text in asked.items()}
    _, about = export(log, ())
    stream = msgspec.structs.replace(about.streams[0], request_id="r-9")
    whole = {"rows": 0, "bytes": 0, "sha256": stream.sha256}
    put_exported(log, "pending", "r-9", range=[0, 300], filters=kept)
    put_exported(log, "success", "r-9", range=[0, 300], filters=kept, **whole)
    log.sign()
    write(tmp_path / "cut.zip", log, [], replace(about, query=asked, range=(0, 300), end="300", streams=[stream]))
    found = check(tmp_path / "cut.zip")
    assert (found.first, found.cut) == (None, True)
    assert not check(bundle(tmp_path / "whole.zip", Log(30), (1,))).cut


# --- what is not written ---------------------------------------------------------------------------------------------


def test_a_record_that_does_not_fit_is_named_and_nothing_is_left(tmp_path: Path, log: Log) -> None:
    lines, about = export(log, INDEXES)
    lines[3] = lines[3].replace(b'"prod"', b'"dev"')
    with pytest.raises(RecordRefusedError, match="entry 7: its content does not give its digest"):
        write(tmp_path / "evidence.zip", log, lines, about)
    assert [*tmp_path.iterdir()] == []


def test_what_was_made_meanwhile_is_not_replaced_unless_that_is_wanted(tmp_path: Path, log: Log) -> None:
    lines, about = export(log, INDEXES)
    path = tmp_path / "evidence.zip"

    def records() -> Iterator[bytes]:
        yield from lines
        path.write_bytes(b"mine")

    with pytest.raises(FileExistsError):
        write(path, log, records(), about, replace=False)
    assert ([*tmp_path.iterdir()], path.read_bytes()) == ([path], b"mine")
    write(path, log, lines, about)
    assert told(path) == []


def test_an_export_that_nobody_recorded_is_no_evidence(tmp_path: Path, log: Log) -> None:
    lines, about = export(log, INDEXES)
    for index in (300, 301):
        del log.records[index]
    with pytest.raises(EvidenceError, match="record_access"):
        write(tmp_path / "evidence.zip", log, lines, about, wait_s=0.0)
    assert [*tmp_path.iterdir()] == []


def test_it_waits_until_the_log_has_signed_the_export(
    tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines, about = export(log, INDEXES)
    log.sign(300)
    said: list[str] = []

    def sleep(seconds: float) -> None:
        log.sign()

    monkeypatch.setattr(write_module.time, "sleep", sleep)
    write(tmp_path / "evidence.zip", log, lines, about, on_progress=lambda what, done: said.append(what))
    assert ("waiting" in said, told(tmp_path / "evidence.zip")) == (True, [])


def test_other_bytes_than_were_sent_are_not_written(tmp_path: Path, log: Log) -> None:
    lines, about = export(log, INDEXES)
    with pytest.raises(EvidenceError, match="is not what the manifest says of it"):
        write(tmp_path / "evidence.zip", log, lines[1:], about)


@pytest.mark.parametrize(
    ("line", "said"),
    [(b"{", "record 1 .* cannot be read"), (b'{"kind":"audit_event","log_index":null}', "reader with limits")],
)
def test_lines_that_are_no_records_are_refused(tmp_path: Path, log: Log, line: bytes, said: str) -> None:
    _, about = export(log, INDEXES)
    with pytest.raises(EvidenceError, match=said):
        write(tmp_path / "evidence.zip", log, [line], about)


# --- altered bytes ---------------------------------------------------------------------------------------------------


def test_any_changed_byte_is_found_and_named(tmp_path: Path) -> None:
    """In the page, which is long and is not read, every hundredth."""
    path = bundle(tmp_path / "evidence.zip", Log(20), (0, 7))
    whole = path.read_bytes()
    with ZipReader(path) as reader:
        members = [*reader.members.values()]
    inside = {m.name: range(m.begin, m.end) for m in members}
    for at in range(len(whole)):
        if at in inside[PAGE] and at % 100:
            continue
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :])
        found = check_evidence(path, TRUST)
        where = next((name for name, span in inside.items() if at in span), STRUCTURE)
        assert not found.well, at
        said = " ".join(fault.text for fault in found.wrong if fault.kind == "file")
        # Bits behind the end of what is packed are of no file.
        assert where in said or (STRUCTURE in said and where in (RECORDS, EXPORTED, ENTRIES)), (at, where, said)


def test_a_file_that_is_cut_off_or_longer_is_found(path: Path) -> None:
    whole = path.read_bytes()
    for length in range(0, len(whole), 101):
        path.write_bytes(whole[:length])
        assert not check(path).well
    for more in (b"\0", b"PK\5\6" + bytes(18), whole):
        for altered in (whole + more, more + whole):
            path.write_bytes(altered)
            assert STRUCTURE in told(path)[0]


def members_of(path: Path, change: Callable[[list[tuple[str, bytes]]], list[tuple[str, bytes]]]) -> None:
    """A zip of other members, as any program makes one."""
    files = change([*contents(path).items()])
    with zipfile.ZipFile(path, "w") as made:
        for name, data in files:
            made.writestr(name, data)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    "change",
    [
        lambda files: files,
        lambda files: [*files, ("more", b"")],
        lambda files: files[1:],
        lambda files: files[:-1],
        lambda files: [*files[:1], *files],
        lambda files: [("../" + files[0][0], files[0][1]), *files[1:]],
        lambda files: [files[1], files[0], *files[2:]],
        lambda files: [],
    ],
)
def test_other_members_are_refused(path: Path, change: Callable[..., Any]) -> None:
    members_of(path, change)
    assert STRUCTURE in told(path)[0]


def test_large_files_have_the_fields_of_zip64(tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_layout, "MOST_32", 1000)
    path = bundle(tmp_path / "evidence.zip", log, INDEXES)
    assert (told(path), b"PK\6\6" in path.read_bytes(), b"PK\6\7" in path.read_bytes()) == ([], True, True)
    with zipfile.ZipFile(path) as file:
        assert (file.testzip(), file.namelist()) == (None, [*METHODS])
    monkeypatch.setattr(zip_layout, "MOST_32", 100_000)
    assert STRUCTURE in told(path)[0]


def test_a_bomb_is_read_as_far_as_its_header_says(path: Path) -> None:
    def bomb(files: dict[str, bytes]) -> None:
        files[RECORDS] = b"x" * 100_000_000

    rewrite(path, bomb)
    found = told(path)
    assert any("a line has more than" in text for text in found)


@pytest.mark.parametrize(
    "line", [b"x\n", b'{"kind":"audit_event","log_index":null}\n', b'{"kind":"audit_event","log_index":5}\n']
)
def test_it_gives_up_behind_many_lines_that_are_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch, line: bytes
) -> None:
    """A few kilobytes may be hundreds of millions of lines."""
    monkeypatch.setattr(MemberReader, "lines", counted := Counted(MemberReader.lines))
    change = lines_of(lambda f: [*f, *[line] * 200_000])
    rewrite(path, lambda files: (change(files), manifest(records=10**9)(files))[0])
    found = check(path)
    assert found.given_up == "more than 10,000 lines are no records, or have no entry: the rest is not looked at"
    assert 10_000 < found.faults.total() < 10_010
    assert counted.given < 10_100
    report = EvidenceReport(path, found)
    assert ("given up", found.given_up) in [*report.lines()]
    assert (report.members()["given_up"], report.wrong().endswith(found.given_up)) == (found.given_up, True)


def test_so_many_lines_are_looked_at(path: Path) -> None:
    rewrite(path, lines_of(lambda f: [*f, *[b"x\n"] * 900]))
    found = check(path)
    assert (found.given_up, found.faults["added"] > 890) == (None, True)


class Counted:
    """Lines of members, and how many were taken."""

    def __init__(self, real: Callable[[MemberReader], Iterator[bytes]]) -> None:
        self._real = real
        self.given = 0

    def __get__(self, reader: MemberReader, owner: type[MemberReader]) -> Callable[[], Iterator[bytes]]:
        return lambda: self._all(reader)

    def _all(self, reader: MemberReader) -> Iterator[bytes]:
        for line in self._real(reader):
            self.given += 1
            yield line


def test_a_line_is_as_long_as_a_record_can_be(path: Path, tmp_path: Path, log: Log) -> None:
    long = b'{"kind": "audit_event", "log_index": 0, "duration_ms": %b}' % (b"9" * 16 * 1024 * 1024)
    rewrite(path, lines_of(lambda f: [long + b"\n", *f[1:]]))
    assert "records.ndjson: a line has more than 16,777,216 bytes" in told(path)
    _, about = export(log, ())
    with pytest.raises(EvidenceError, match="record 1 of the export cannot be read"):
        write(tmp_path / "other.zip", log, [long], about)


def test_events_about_the_export_are_as_large_as_a_service_writes_them(path: Path) -> None:
    """All of them are held at a time: a few kilobytes may be gigabytes, unpacked."""
    whole = path.read_bytes()
    line = json.loads(contents(path)[EXPORTED].splitlines()[0])

    def put(count: int, filters: int) -> None:
        line["event_data"]["filters"] = {f"{n}": "y" * 1000 for n in range(filters)}
        files = {EXPORTED: (json.dumps(line).encode() + b"\n") * count}
        rewrite(path, lambda old: (manifest(exported=count)(old), old.update(files))[0])

    put(200, 100)
    assert told(path) == ["exported.ndjson: it is larger than 16,777,216 bytes"]
    assert check(path).exported == []
    path.write_bytes(whole)
    put(2, 140)
    assert any("no event of the service's own about an export" in text for text in told(path))
    assert check(path).exported == []


@pytest.mark.parametrize("index", [b"null", b'"1"', b"true", b"1.0", b"01", b"2"])
def test_each_record_says_which_entry_it_is(path: Path, index: bytes) -> None:
    before, after = b'"log_index": 1,', b'"log_index": %b,' % index
    rewrite(path, lines_of(lambda f: [f[0], f[1].replace(before, after), *f[2:]]))
    assert any(" entry 1: " in text for text in told(path)), told(path)


def test_an_export_that_broke_off_too_often_is_no_evidence(
    tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines, about = export(log, INDEXES)
    for name in ("MAX_EXPORTED", "MAX_EXPORTED_BYTES"):
        with monkeypatch.context() as patch:
            patch.setattr(write_module, name, 1)
            with pytest.raises(EvidenceError, match="the export broke off too often for one bundle"):
                write(tmp_path / "evidence.zip", log, lines, about)
    assert list(tmp_path.iterdir()) == []


def test_small_files_are_small(path: Path) -> None:
    for name in (CHECKPOINT, KEYS, PAGE, MANIFEST):
        whole = path.read_bytes()
        rewrite(path, lambda files, name=name: files.update({name: bytes(5_000_000)}), manifest=name != MANIFEST)
        assert told(path) == [told(path)[0]]
        assert f"{name}: it is larger than" in told(path)[0]
        path.write_bytes(whole)


# --- who rewrites the zip as a whole ---------------------------------------------------------------------------------


def lines_of(change: Callable[[list[bytes]], list[bytes]], name: str = RECORDS) -> Change:
    def run(files: dict[str, bytes]) -> None:
        files[name] = b"".join(change(files[name].splitlines(keepends=True)))

    return run


def swapped(found: list[bytes]) -> list[bytes]:
    return [found[0], found[2], found[1], *found[3:]]


def ident(index: int) -> str:
    return f"audit_event 00000000-0000-0000-0000-{index + 1:012x}"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lines_of(lambda f: [f[0].replace(b'"prod"', b'"dev"'), *f[1:]]), f"{ident(0)}, entry 0: its content does not"),
        (lines_of(lambda f: [*f[:3], *f[4:]]), f"{ident(7)}, entry 7: there is no such record"),
        (
            lines_of(lambda f: [*f[:3], f[3].replace(b'"log_index": 7', b'"log_index": 6'), *f[3:]]),
            f"{ident(7)}, entry 6: the bundle has no entry",
        ),
        (lines_of(lambda f: [f[0], *f]), f"{ident(0)}, entry 0: it stands behind a later one"),
        (lines_of(swapped), f"{ident(1)}, entry 1: it stands behind a later one"),
        (
            lines_of(lambda f: [*f[:-1], f[-1].replace(b'"log_index": 280', b'"log_index": 281')]),
            f"{ident(280)}, entry 280: there is no such",
        ),
        (
            lines_of(lambda f: [f[0].replace(b'{"', b'{"guilty": true, "', 1), *f[1:]]),
            "members that its entry does not cover: guilty",
        ),
        (lines_of(lambda f: [b"[]\n", *f[1:]]), f"{ident(0)}, entry 0: it cannot be read"),
    ],
)  # fmt: skip
def test_altered_records_are_named(path: Path, change: Change, said: str) -> None:
    rewrite(path, change)
    assert any(said in text for text in told(path)), told(path)


def test_a_record_and_its_entry_are_not_removed_together(path: Path) -> None:
    for name in (RECORDS, ENTRIES):
        rewrite(path, lines_of(lambda f: [*f[:3], *f[4:]], name))
    found = told(path)
    assert any("proof.txt do not fit together" in text or "do not give the signed root" in text for text in found)
    assert any("had 8 records when it was sent, and has 7 here" in text for text in found)


def entry_of_another(files: dict[str, bytes]) -> None:
    found = files[ENTRIES].splitlines(keepends=True)
    entry = json.loads(found[0])["entry"] | {"commitment": "0" * 64}
    found[0] = entry_line(0, json.dumps(entry, separators=(",", ":")).encode())
    files[ENTRIES] = b"".join(found)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (entry_of_another, "do not give the signed root"),
        (lines_of(lambda f: f[1:], PROOF), "do not fit together"),
        (lines_of(lambda f: [*f, f[0]], PROOF), "there are more hashes"),
        (lines_of(lambda f: [b"AAAA\n", *f], PROOF), "proof.txt: line 1: a hash that is not base64 of 32 bytes"),
        (lines_of(lambda f: [f[0], f[0], *f], ENTRIES), "entries.ndjson: line 2: entry 0 stands behind entry 0"),
        (lines_of(lambda f: [b"{}\n", *f], ENTRIES), "entries.ndjson: line 1 is no entry"),
        (lines_of(lambda f: [], EXPORTED), "is not in the log: no event says that it was asked for"),
        (lines_of(lambda f: [b"\xe2\x80\x94 x\n"], KEYS), "keys.txt: line 1: not a verifier key"),
    ],
)
def test_altered_proofs_are_named(path: Path, change: Change, said: str) -> None:
    rewrite(path, change)
    found = told(path, Trust(()) if "keys" in said else TRUST)
    assert any(said in text for text in found), found


def manifest(**members: Any) -> Change:
    def run(files: dict[str, bytes]) -> None:
        files[MANIFEST] = msgspec.structs.replace(parse_manifest(files[MANIFEST]), **members).encode()

    return run


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"by": "mallory"}, "was given to auditor, and the manifest says mallory"),
        ({"by": None}, "was given to auditor, and the manifest says nobody known"),
        ({"filter": {}}, "was asked by another filter than the manifest says"),
        ({"range": (0, 299)}, "and the manifest says below 299"),
        ({"range": (1, 300)}, "looks through the entries from 0 on, and 1 is where it had to begin"),
        ({"records": 7}, "records.ndjson has 8 records, and the manifest says 7"),
        ({"records": 9}, "records.ndjson has 8 records, and the manifest says 9"),
        ({"exported": 1}, "exported.ndjson has 2 records, and the manifest says 1"),
        ({"exported": 10**6}, "more than 10,000 events"),
        ({"streams": []}, "names no answer of the export"),
        ({"size": 301}, "names another checkpoint"),
        ({"root": "00" * 32}, "names another checkpoint"),
        ({"origin": "other"}, "names another checkpoint"),
        ({"made_at": "yesterday"}, "made_at is no RFC 3339 time in UTC: yesterday"),
        ({"made_at": "2026-02-30T10:00:00Z"}, "made_at is no RFC 3339 time in UTC"),
        ({"made_at": "2027-01-05T10:00:00+01:00"}, "made_at is no RFC 3339 time in UTC"),
        ({"made_at": "2026-01-05T10:00:00.119999Z"}, "before the newest event about the export, of 2026-01-05T10:00:0"),
    ],
)  # fmt: skip
def test_the_log_itself_says_who_exported_what(path: Path, members: dict[str, Any], said: str) -> None:
    rewrite(path, manifest(**members))
    assert any(said in text for text in told(path)), told(path)


def test_an_event_about_another_export_proves_nothing(path: Path) -> None:
    def change(files: dict[str, bytes]) -> None:
        found = parse_manifest(files[MANIFEST])
        other = msgspec.structs.replace(found.streams[0], request_id="0199c0de-0000-7000-8000-000000000009")
        manifest(streams=[other])(files)

    rewrite(path, change)
    found = told(path)
    assert any("no event says that it was asked for" in text for text in found)
    assert any(f"is about the request {REQUEST}, which is none of these" in text for text in found)


def test_two_exports_under_one_id_are_not_one(tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    path = mixed(tmp_path / "mixed.zip", log, monkeypatch)
    assert [text for text in told(path) if "is of two exports" in text] == told(path) != []


def test_a_request_has_one_answer(path: Path) -> None:
    def change(files: dict[str, bytes]) -> None:
        whole = parse_manifest(files[MANIFEST]).streams[0]
        none = Stream(request_id=whole.request_id, records=0, bytes=0, sha256=sha256(b"").hexdigest(), whole=False)
        manifest(streams=[none, whole])(files)

    rewrite(path, change)
    assert told(path) == [f"the manifest names 2 answers of the request {REQUEST}, which has one"]


def test_a_manifest_that_is_written_otherwise_is_refused(path: Path) -> None:
    whole = path.read_bytes()
    now = contents(path)[MANIFEST]
    for data, said in (
        *((data, "it cannot be read") for data in (b"", b"{}", b"[" * 100_000, b"\xff")),
        (now.replace(b"evidence/1", b"evidence/2"), "it is of the format datastorage-evidence/2"),
        (now + b" ", "it is not written as a bundle has it"),
        (now.replace(b'"auditor"', b'"auditor", "by": "auditor"'), "it is not written as a bundle has it"),
    ):
        rewrite(path, lambda files, data=data: files.update({MANIFEST: data}), manifest=False)
        assert told(path)[0].startswith(f"manifest.json: {said}")
        path.write_bytes(whole)


def test_a_page_of_another_release_is_said_and_is_no_fault(path: Path) -> None:
    rewrite(path, lambda files: files.update({PAGE: b"all is well"}))
    found = check(path)
    assert (found.wrong, found.other_page) == ([], True)


# --- keys ------------------------------------------------------------------------------------------------------------


def test_the_key_from_elsewhere_counts(path: Path) -> None:
    assert check(path, Trust(())).own_key
    assert not check(path).own_key
    other = OTHER_KEY.verifier
    said = f"the checkpoint of the log {other.name} has no signature by a key of {other.name}+{other.key_id.hex()}"
    assert told(path, Trust((other,))) == [said]


@pytest.mark.parametrize("trust", [TRUST, Trust(())])
def test_a_key_in_it_that_has_not_signed_is_a_fault(path: Path, trust: Trust) -> None:
    def add(files: dict[str, bytes]) -> None:
        files[KEYS] += f"{OTHER_KEY.verifier}\n".encode()

    rewrite(path, add)
    assert told(path, trust) == [
        f"keys.txt: it names the key {OTHER_KEY.verifier}, which has not signed the checkpoint"
    ]
    rewrite(path, lambda files: files.update({KEYS: b"no key\n"}))
    assert told(path, trust)[0].startswith("keys.txt: line 1: not a verifier key")


def test_a_key_in_it_that_was_not_given_is_told(tmp_path: Path) -> None:
    second = make_key(KEY.verifier.name, bytes(range(32)))
    log = Log(300, (KEY, second))
    lines_, about = export(log, INDEXES)
    path = tmp_path / "evidence.zip"
    write_evidence(path, lines_, fetch_from(log), Trust((second.verifier,)), lambda: about)
    found = check(path)
    assert (found.wrong, found.keys, found.other_keys) == ([], (KEY.verifier,), (second.verifier,))
    assert check(path, Trust((second.verifier,))).other_keys == ()
    report = EvidenceReport(path, found)
    told_ = f"{second.verifier} (in the file, and not given; it has signed the checkpoint too)"
    assert ("other key", told_) in [*report.lines()]
    assert report.members()["other_keys"] == [str(second.verifier)]


def test_a_bundle_is_not_older_than_what_is_in_it(tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the clock of who makes it is behind that of the service."""

    class Behind(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return datetime(2020, 1, 1, tzinfo=tz)

    monkeypatch.setattr(write_module, "datetime", Behind)
    found = check(bundle(tmp_path / "evidence.zip", log, INDEXES))
    assert found.manifest is not None
    assert (found.wrong, found.manifest.made_at) == ([], "2026-01-05T10:00:00.120000Z")


def test_a_log_of_somebody_else_is_found_by_the_key(tmp_path: Path) -> None:
    """Everything of it is made up, and only the key is not that of the log."""
    forged = Log(300, (OTHER_KEY,))
    lines_, about = export(forged, INDEXES)
    path = tmp_path / "evidence.zip"
    write_evidence(path, lines_, fetch_from(forged), Trust((OTHER_KEY.verifier,)), lambda: about)
    assert (check(path, Trust(())).well, check(path, Trust(())).own_key) == (True, True)
    assert "no signature by a key" in told(path, Trust((KEY.verifier,)))[0]


def test_only_a_file_is_a_bundle(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "none", Path("/dev/zero")):
        with pytest.raises(ReadError):
            check(path)
