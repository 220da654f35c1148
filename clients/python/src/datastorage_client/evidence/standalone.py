"""Checks an evidence bundle: python3 check.py FILE.zip [KEY.pub]. Needs Python 3.9 or later, and OpenSSL 3 or later."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

# The members of a record that its digest covers, and those that are covered beside it.
COVERED = {
    "audit_event": """
        actor_id actor_ip actor_type cluster_name correlation_id duration_ms error_code error_message event_action
        event_category event_data event_id event_outcome event_timestamp event_type is_sensitive namespace
        parent_event_id resource_id resource_type retention_days severity span_id trace_id version
    """,
    "notification": """
        channel delivery_status error_message escalation_level message_summary notification_id recipient
        remediation_id sent_at status
    """,
}
BESIDE = {
    "audit_event": "event_date parent_event_date recorded_at recorded_by request_id trace_id trace_id_from_context",
    "notification": "created_at id recorded_by request_id updated_at",
}
FORM = {"audit_event": "audit-event/1\n", "notification": "notification-audit/1\n"}


USAGE = "usage: python3 check.py FILE.zip [KEY.pub]"


def stop(text: str) -> None:
    """Nothing was checked."""
    print(text, file=sys.stderr)
    sys.exit(2)


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def check(holds: bool, what: str) -> None:
    if not holds:
        sys.exit("WRONG: " + what)


def counted(records: int) -> str:
    return "%d record%s" % (records, "" if records == 1 else "s")


def canonical(value: Any) -> str:
    """JSON in one form: sorted members, no white space, 1.50 as 15e-1."""
    if isinstance(value, dict):
        return "{" + ",".join(canonical(k) + ":" + canonical(v) for k, v in sorted(value.items())) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, Decimal):
        sign, digits, power = value.as_tuple()
        text = "".join(map(str, digits)).lstrip("0")
        if not text:
            return "0"
        short = text.rstrip("0")
        power = int(power) + len(text) - len(short)
        return "-" * sign + short + ("0" * power if power >= 0 else "e" + str(power))
    return json.dumps(value, ensure_ascii=False)


def address(text: str | None) -> str | None:
    """An IPv4 address inside of an IPv6 address, as four hexadecimal digits twice."""
    if text is None or ":" not in text or "." not in text:
        return text
    head, _, last = text.rpartition(":")
    a, b, c, d = map(int, last.split("."))
    return "%s:%x:%x" % (head, 256 * a + b, 256 * c + d)


def without_doubles(pairs: Any) -> Any:
    found = dict(pairs)
    check(len(found) == len(pairs), "a record has a member twice")
    return found


def parse(line: bytes) -> Any:
    return json.loads(line, parse_int=Decimal, parse_float=Decimal, object_pairs_hook=without_doubles)


def commitments(record: Any) -> Iterator[str]:
    """What the entry of a record has to say: two ways where nobody knows whether its trace_id is that of a request."""
    digested, beside = COVERED[record["kind"]].split(), BESIDE[record["kind"]].split()
    others = set(record) - {*digested, *beside, "kind", "log_index", "salt", "digest"}
    check(not others, "a record has members that nothing covers: %s" % sorted(others))
    members = {name: record.get(name) for name in digested}
    columns = canonical({name: record.get(name) for name in beside}).encode()
    flag = record.get("trace_id_from_context")
    if "actor_ip" in members:
        members["actor_ip"] = address(members["actor_ip"])
    for ignored in (False, True) if flag is None else (flag,):
        trace = {"trace_id": None} if ignored else {}
        digest = sha256((FORM[record["kind"]] + canonical({**members, **trace})).encode())
        if record.get("digest") in (None, digest.hex()):
            yield sha256(bytes.fromhex(record["salt"]) + digest + sha256(columns)).hex()


def root_of(start: int, end: int, leaves: Iterator[Any], held: list[Any], hashes: Iterator[bytes]) -> bytes:
    """The hash above the entries from start up to and without end. held: the next leaf."""
    if held[0] is None or held[0][0] >= end:
        return base64.b64decode(next(hashes, b""), validate=True)
    if end - start == 1:
        leaf, held[0] = held[0][1], next(leaves, None)
        return bytes(leaf)
    middle = start + (1 << ((end - start - 1).bit_length() - 1))
    left = root_of(start, middle, leaves, held, hashes)
    return sha256(b"\1" + left + root_of(middle, end, leaves, held, hashes))


def check_signature(note: str, key: str) -> None:
    """The Ed25519 signature of a checkpoint, by OpenSSL."""
    text, _, signatures = note.rpartition("\n\n")
    text += "\n"
    name, ident, data = key.split("+", 2)
    kind, public = base64.b64decode(data)[:1], base64.b64decode(data)[1:]
    check(kind == b"\1" and len(public) == 32, "this is no Ed25519 key of a log")
    check(sha256(name.encode() + b"\n" + kind + public)[:4].hex() == ident, "the key does not fit its id")
    check(text.split("\n")[0] == name, "the checkpoint is of another log than the key")
    lines = [line.split(" ") for line in signatures.split("\n") if line.startswith("\u2014 %s " % name)]
    mine = [base64.b64decode(line[2]) for line in lines]
    mine = [value[4:] for value in mine if value[:4].hex() == ident]
    check(bool(mine), "the checkpoint is not signed by the key %s+%s" % (name, ident))
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, n) for n in ("key", "text", "signature")]
        # The beginning of an Ed25519 key in DER (RFC 8410).
        contents = (bytes.fromhex("302a300506032b6570032100") + public, text.encode(), mine[0])
        for file, content in zip(files, contents):
            file.write_bytes(content)
        command = ["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-rawin"]
        command += ["-inkey", str(files[0]), "-in", str(files[1]), "-sigfile", str(files[2])]
        check(subprocess.run(command, capture_output=True, check=False).returncode == 0, "the signature is wrong")


def check_file(path: str) -> None:
    """The hash in the comment, which is the last 64 bytes, is that of all before the last 93 bytes."""
    with open(path, "rb") as file:
        left = file.seek(0, 2) - 93
        check(left > 0, "this is no evidence bundle")
        file.seek(0)
        digest = hashlib.sha256()
        while left > 0:
            data = file.read(min(left, 1 << 20))
            digest.update(data)
            left -= len(data)
        comment = file.read()[22:]
        check(comment.startswith(b"sha256:"), "this is no evidence bundle, or its end is missing")
        check(comment[7:] == digest.hexdigest().encode(), "the file was altered")


def check_members(bundle: zipfile.ZipFile, manifest: Any) -> None:
    names = [file["name"] for file in manifest["files"]]
    check([*names, "manifest.json"] == bundle.namelist(), "the files are not those of the manifest")
    for file in manifest["files"]:
        digest = hashlib.sha256()
        with bundle.open(file["name"]) as member:
            for data in iter(lambda: member.read(1 << 20), b""):
                digest.update(data)
        check(digest.hexdigest() == file["sha256"], file["name"])


def check_records(bundle: zipfile.ZipFile, size: int, root: bytes) -> list[Any]:
    """Each record gives its entry, and all entries the root; the events about the export."""
    exported = []

    def records() -> Iterator[Any]:
        for name in ("records.ndjson", "exported.ndjson"):
            for line in bundle.open(name):
                record = parse(line)
                if name == "exported.ndjson":
                    exported.append(record)
                yield record

    def leaves() -> Iterator[Any]:
        given, last = records(), -1
        for line in bundle.open("entries.ndjson"):
            found = re.fullmatch(rb'\{"entry":(\{[^{}]*\}),"index":([0-9]+)\}\n', line)
            if found is None:
                sys.exit("WRONG: a line of entries.ndjson")
            entry, index, record = json.loads(found[1]), int(found[2]), next(given, {"log_index": None})
            what = "entry %d, %s %s" % (index, entry["kind"], entry["id"])
            check(last < index and record["log_index"] == index, what + ": its record is missing")
            day = "event_date" if entry["kind"] == "audit_event" else "sent_at"
            ident = record.get("event_id" if entry["kind"] == "audit_event" else "id")
            named = (record["kind"], str(ident), str(record.get(day))[:10])
            check(named == (entry["kind"], entry["id"], entry["on"]), what + ": another record stands there")
            check(entry["commitment"] in commitments(record), what + ": the record was altered")
            last = index
            yield index, sha256(b"\0" + found[1])
        check(next(given, None) is None, "there are records without an entry")

    ours = leaves()
    hashes = (line[:-1] for line in bundle.open("proof.txt"))
    held = [next(ours, None)]
    check(root_of(0, size, ours, held, hashes) == root, "the entries do not give the signed root")
    check(held[0] is None and next(hashes, None) is None, "there are more entries or hashes than the tree has")
    return exported


def check_exported(bundle: zipfile.ZipFile, manifest: Any, exported: list[Any]) -> None:
    """What the log itself says of the export is what the manifest and the records say."""
    lines = bundle.open("records.ndjson")
    by = manifest["by"] or "anonymous"
    check(bool(manifest["streams"]) and manifest["streams"][-1]["whole"], "the export is not whole")
    requests = {stream["request_id"] for stream in manifest["streams"]}
    check(len(requests) == len(manifest["streams"]), "a request is named for two answers")
    count, at = 0, manifest["range"][0]
    for number, stream in enumerate(manifest["streams"]):
        digest, line = hashlib.sha256(), b""
        for _ in range(stream["records"]):
            line = next(lines, b"")
            check(bool(line), "there are fewer records than were exported")
            digest.update(line)
            count += 1
        check(digest.hexdigest() == stream["sha256"], "the records of the request " + stream["request_id"])
        mine = [e for e in exported if e["event_data"]["request_id"] == stream["request_id"]]
        check(any(e["event_outcome"] == "pending" for e in mine), "no event says that the export was asked for")
        wholes = [e["event_data"] for e in mine if e["event_outcome"] == "success"]
        check(bool(wholes) or not stream["whole"], "no event says that the export is whole")
        # The id of a request is chosen by who sends it: two exports may have the same.
        check(len({e["event_data"]["range"][0] for e in mine}) == 1, "two exports have one id")
        first = mine[0]["event_data"]["range"][0]
        check(first == at if number == 0 else first <= at, "the range was another one")
        began, at = at, parse(line)["log_index"] + 1 if line else at
        for event in mine:
            check(event["event_type"] == "datastorage.audit.exported", "an event is about something else")
            check(event["recorded_by"] is None and event["actor_id"] == by, "somebody else exported this")
            asked = event["event_data"]["filters"]
            kept = {n: v for n, v in asked.items() if n not in ("after", "before", "format", "salts")}
            check(kept == {n: v[:256] for n, v in manifest["filter"].items()}, "the filter was another one")
            check(event["event_data"]["range"][1] == manifest["range"][1], "the range was another one")
        for whole in wholes if stream["whole"] else ():
            check(whole["rows"] == stream["records"], "there were %s" % counted(whole["rows"]))
            check(whole["sha256"] == stream["sha256"], "the records are not those that were sent")
        sent = [e["event_data"] for e in mine if e["event_outcome"] != "pending"]
        if line and not any((e["rows"], e["sha256"]) == (stream["records"], stream["sha256"]) for e in sent):
            text = "not proven: that nothing is missing among %s, whose answer broke off"
            print((text + ", between the entries %d and %d") % (counted(stream["records"]), began, at - 1))
    check(next(lines, None) is None, "there are more records than were exported")
    check(count == manifest["records"], "the manifest says another number of records")


def check_bundle(path: str, key_path: str | None) -> None:
    check_file(path)
    with zipfile.ZipFile(path) as bundle:
        manifest = json.loads(bundle.read("manifest.json"))
        check_members(bundle, manifest)
        note = bundle.read("checkpoint").decode()
        keys = Path(key_path).read_text() if key_path else bundle.read("keys.txt").decode()
        key = next((line for line in keys.split("\n") if line and not line.startswith("#")), "")
        check(key.count("+") >= 2, "there is no verifier key in %s" % (key_path or "keys.txt"))
        check_signature(note, key)
        origin, size, root = note.split("\n")[:3]
        said = (manifest["origin"], manifest["size"], bytes.fromhex(manifest["root"]))
        check(said == (origin, int(size), base64.b64decode(root)), "the manifest names another checkpoint")
        exported = check_records(bundle, int(size), base64.b64decode(root))
        check_exported(bundle, manifest, exported)
    by = manifest["by"] or "nobody known"
    print("whole and in the log: %s, exported by %s" % (counted(manifest["records"]), by))
    print("signed by the key %s" % key)
    if not key_path:
        print("this key is from the file itself: compare it with one that you have from elsewhere")


def main() -> None:
    if len(sys.argv) not in (2, 3):
        stop(USAGE)
    try:
        check_bundle(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None)
    except OSError as e:
        stop("%s: %s\n%s" % (e.filename or sys.argv[1], e.strerror or e, USAGE))
    except Exception as e:  # noqa: BLE001 - whatever a file does that is not as it should be, it is no evidence
        sys.exit("WRONG: it cannot be read: %s: %s" % (type(e).__name__, e))


if __name__ == "__main__":
    main()
