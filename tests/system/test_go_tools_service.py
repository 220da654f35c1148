"""Other people's tools, in Go, read the log of a running service, and refuse what a superuser changes in its tables."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from datastorage_common.checkpoints import encode_hash, parse_checkpoint, parse_proof
from datastorage_common.notes import COSIGNATURE, make_key, parse_note

from devserver.processes import Guarded
from tests.e2e.conftest import run_service  # noqa: F401 - a fixture
from tests.support import ROOT, Answer, Database, GunicornService, event, free_port, notification, wait_until
from tests.system.go_tools import GoTools
from tests.tokens import entry, write_tokens

KEY = make_key("log.example/records", bytes(range(32)))
WITNESS = make_key("witness.example/w1", bytes(range(2, 34)), COSIGNATURE)
OTHER = make_key("log.example/records", bytes(32))
EVENTS, NOTIFICATIONS, LOG = "/api/v1/audit/events", "/api/v1/audit/notifications", "/api/v1/log/"
WRITER, READER = (f"dst_{name}-0123456789abcdefghijklmnopqrstuvwxyz" for name in "wr")
BATCH, BATCHES = 200, 3
COMMAND = Path(sys.executable).parent / "datastorage"


@dataclass
class Log:
    """The log of a running service, with some events."""

    service: GunicornService
    database: Database
    key: Path
    events: list[str]

    @property
    def url(self) -> str:
        return self.service.url + LOG

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        token = READER if method == "GET" else WRITER
        return self.service.request(method, path, body, headers={"Authorization": f"Bearer {token}", **headers})

    def text(self, path: str) -> bytes:
        answer = self.ask("GET", path)
        assert answer.status == 200, (path, answer.body)
        return answer.body

    def size(self) -> int:
        answer = self.ask("GET", f"{LOG}checkpoint")
        return parse_checkpoint(parse_note(answer.body).text).size if answer.status == 200 else 0

    def is_witnessed(self) -> bool:
        """Whether a cosigned checkpoint has all events."""
        answer = self.ask("GET", f"{LOG}checkpoint/witnessed")
        return answer.status == 200 and parse_checkpoint(parse_note(answer.body).text).size >= len(self.events)

    def wait_for(self, path: str) -> None:
        wait_until(lambda: self.ask("GET", path).status == 200, what=f"an answer at {path}")

    def write(self, batches: int) -> None:
        """Store some more events, and wait until all of them are in the checkpoint."""
        for _ in range(batches):
            ids = [str(uuid.uuid4()) for _ in range(BATCH)]
            answer = self.ask("POST", f"{EVENTS}/batch", [event(event_id=ident) for ident in ids])
            assert answer.status == 201, answer.body
            self.events += ids
        wait_until(lambda: self.size() >= len(self.events), what="all events in the checkpoint")


@pytest.fixture
def run_log(
    go: GoTools,
    database: Database,
    run_service: Callable[..., GunicornService],  # noqa: F811
    tmp_path: Path,
) -> Callable[..., Log]:
    """Starts a service with a log of some events: run_log(log__public="true")."""

    def run(keys: str = f"{KEY.encode()}\n", **settings: str) -> Log:
        key = tmp_path / "log.key"
        key.write_text(keys)
        key.chmod(0o600)
        tokens = write_tokens(
            tmp_path / "tokens.yaml", entry("gateway", WRITER, "audit:write"), entry("auditor", READER, "audit:read")
        )
        service = run_service(
            auth__mode="token",
            auth__tokens_file=str(tokens),
            log__key_file=str(key),
            server__workers="1",
            **settings,
        )
        made = Log(service, database, tmp_path / "log.vkey", [])
        made.write(BATCHES)
        made.key.write_bytes(made.text(f"{LOG}key"))
        return made

    return run


@pytest.fixture
def log(run_log: Callable[..., Log]) -> Log:
    """A log of some events."""
    return run_log()


def test_the_log_of_a_service_is_read_whole_and_goes_on(log: Log, go: GoTools, tmp_path: Path) -> None:
    assert log.key.read_text() == f"{KEY.verifier}\n"
    older = tmp_path / "older"
    older.write_bytes(log.text(f"{LOG}checkpoint"))
    point = parse_checkpoint(parse_note(older.read_bytes()).text)
    assert f"{point.size} entries are in the tree" in go.says("tiles", log.url, log.key, token=READER)
    assert go.fsck(log.url, log.key, token=READER) == (point.size, encode_hash(point.root))
    assert go.says("note", "open", log.key, given=older.read_bytes()).endswith(
        f"signed by {KEY.name}+{KEY.verifier.key_id.hex()}\n"
    )

    log.write(BATCHES)
    said = go.says("tiles", log.url, log.key, older, token=READER)
    assert f"it continues the tree of {point.size} entries" in said
    proof = log.text(f"{LOG}consistency?from={point.size}")
    assert f"continues that of {point.size}\n" in go.says("proof", "consistency", log.key, older, given=proof)
    broken = re.sub(rb'"hashes":\["(.)', lambda m: b'"hashes":["' + (b"B" if m[1] == b"A" else b"A"), proof)
    assert broken != proof
    assert go.refuses("proof", "consistency", log.key, older, given=broken)


def test_a_log_that_grows_meanwhile_is_read_whole(log: Log, go: GoTools) -> None:
    """What an older checkpoint needs is there for as long as somebody reads by it."""
    enough = threading.Event()

    def write() -> None:
        while not enough.is_set():
            log.write(1)

    sizes: set[int] = set()

    def read() -> bool:
        found = go.fsck(log.url, log.key, token=READER)
        assert found is not None
        said = re.match(r"([0-9]+) entries are in the tree", go.says("tiles", log.url, log.key, token=READER))
        assert said is not None
        sizes.update((found[0], int(said[1])))
        return len(sizes) >= 6

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        try:
            wait_until(read, what="six sizes of the log seen")
        finally:
            enough.set()
        writing.result()


def test_proofs_of_records_are_accepted(log: Log, go: GoTools, tmp_path: Path) -> None:
    answer = log.ask("POST", NOTIFICATIONS, notification())
    assert answer.status == 201, answer.body
    number = log.ask("GET", NOTIFICATIONS).json["data"][0]["id"]
    (tmp_path / "other.vkey").write_text(f"{OTHER.verifier}\n")
    paths = [f"{EVENTS}/{ident}/proof" for ident in log.events[:: len(log.events) // 7]]
    paths += [f"{LOG}entries/{log.size() - 1}/proof", f"{NOTIFICATIONS}/{number}/proof"]
    for path in paths:
        log.wait_for(path)
        text = log.text(path)
        said = go.says("proof", "inclusion", log.key, given=text)
        record = path.split("/")[-2]
        assert f'"id":"{record}"' in said or "/entries/" in path
        proof = parse_proof(text)
        for i, hash_ in enumerate(proof.path):
            changed = replace(proof, path=(*proof.path[:i], hash_[1:] + hash_[:1], *proof.path[i + 1 :]))
            assert go.refuses("proof", "inclusion", log.key, given=changed.encode())
        assert go.refuses("proof", "inclusion", tmp_path / "other.vkey", given=text)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE log_tiles SET hashes = set_byte(hashes, 4000, get_byte(hashes, 4000) # 1) WHERE level = 0 AND tile = 1",
        "UPDATE log_tiles SET hashes = set_byte(hashes, 9, get_byte(hashes, 9) # 1) WHERE level = 1",
        # A byte of a commitment: the entry can be read as before.
        "UPDATE log_bundles SET entries = set_byte(entries, 50, get_byte(entries, 50) # 1) WHERE bundle = 0",
    ],
)
def test_what_a_superuser_changes_is_refused(change: str, log: Log, go: GoTools) -> None:
    log.database.query(f"SET session_replication_role = replica; {change} RETURNING 1")
    assert go.refuses("tiles", log.url, log.key, token=READER)
    assert go.fsck(log.url, log.key, token=READER) is None


def test_keys_that_the_command_makes_are_taken_in_turn(
    run_log: Callable[..., Log], go: GoTools, tmp_path: Path
) -> None:
    """While one key takes over from another both sign, and who knows one of them finds the log in order."""
    files, said = [], ""
    for name in ("before", "after"):
        files.append(tmp_path / f"{name}.key")
        command = [COMMAND, "log", "keygen", "log.example/taken-over", "--out", files[-1]]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60, check=True)
        (tmp_path / f"{name}.vkey").write_text(done.stdout)
        said += done.stdout
    log = run_log("".join(file.read_text() for file in files))
    assert log.key.read_text() == said
    note = log.text(f"{LOG}checkpoint")
    assert go.says("note", "open", log.key, given=note).count("signed by log.example/taken-over") == 2
    for name in ("before", "after"):
        assert go.says("tiles", log.url, tmp_path / f"{name}.vkey", token=READER)
        assert go.fsck(log.url, tmp_path / f"{name}.vkey", token=READER) is not None
        # Go reads the file that the command made.
        text = parse_note(note).text.encode()
        assert go.says("note", "sign", tmp_path / f"{name}.key", given=text)


def test_a_witness_of_others_cosigns_and_is_forgotten_by_itself(
    run_log: Callable[..., Log], go: GoTools, tmp_path: Path
) -> None:
    """transparency-dev's witness: it cosigns as the log grows, and from the beginning where it has lost its memory."""
    port = free_port()
    (tmp_path / "witness.key").write_text(f"{WITNESS.encode()}\n")
    (tmp_path / "known.vkey").write_text(f"{KEY.verifier}\n")
    policy = tmp_path / "policy"
    policy.write_text(f"witness w1 {WITNESS.verifier} http://127.0.0.1:{port}/\nquorum w1\n")
    command = [go.folder / "cosigner", tmp_path / "known.vkey", tmp_path / "witness.key", f"127.0.0.1:{port}"]
    log: Log | None = None
    for _ in range(2):
        witness = Guarded(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            if log is None:
                log = run_log(log__witness_policy=str(policy))
            for _ in range(2):
                log.write(1)
                wait_until(log.is_witnessed, what="a cosigned checkpoint of all events")
                note = log.text(f"{LOG}checkpoint/witnessed")
                assert go.says("witness", "quorum", policy, given=note).split() == ["true"]
                assert go.says("note", "open", log.key, given=note).count("signed by") == 1
        finally:
            witness.kill()
            witness.wait()


def test_the_commands_of_the_page(log: Log, go: GoTools, tmp_path: Path) -> None:
    """docs/log.md, but for what installs the tools: they are there."""
    page = (ROOT / "docs" / "log.md").read_text(encoding="utf-8").partition("## Checking with other tools\n")[2]
    blocks = re.findall(r"^```sh\n(.*?)^```$", page.partition("\n## ")[0], re.MULTILINE | re.DOTALL)
    script = "\n".join(block for block in blocks if not block.startswith("go install "))
    assert "http://127.0.0.1:8080" in script
    folder = tmp_path / "page"
    folder.mkdir()
    shutil.copytree(ROOT / "tests" / "system" / "go", folder / "tests" / "system" / "go")
    script = script.replace("http://127.0.0.1:8080", log.service.url).replace("EVENT_ID", log.events[0])
    environ = {
        **os.environ,
        "PATH": f"{go.folder}:{os.environ['PATH']}",
        "TOKEN": READER,
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-mod=readonly -buildvcs=false",
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"Successfully fsck'd log with size {log.size()} " in done.stdout
    assert "are in the tree with the root" in done.stdout
    assert f'"id":"{log.events[0]}"' in done.stdout
