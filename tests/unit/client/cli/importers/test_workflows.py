"""Workflow files: the mapping, what is wrong with a file and where, and what becomes of each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from datastorage_client.cli.commands import datastorage
from datastorage_client.cli.importers import workflow_files
from datastorage_client.cli.importers.workflow_files import MAX_FILE_BYTES, InvalidFileError, find, to_workflow
from datastorage_client.cli.importers.workflows import (
    CHANGED,
    COLLIDES,
    CREATED,
    File,
    InvalidBatchError,
    read,
    run,
    version_key,
)
from datastorage_client.cli.workflows import report_workflows
from datastorage_common import jsonvalue, workflow_batches
from datastorage_common.files import ReadError

from app.workflows import schemas
from tests.unit.stub_service import Canned, StubService

TEXT = """\
metadata:
  workflowId: restart-v1
  version: "1.0.0"
  description:
    what: Restarts a pod
    whenToUse: Now
    preconditions: None
actionType: RestartPod
labels:
  signalName: OOMKilled
  severity: [critical, high]
  environment: [production]
  component: pod
  priority: "*"
customLabels:
  team: payments
detectedLabels:
  hpaEnabled: "true"
  stateful: "false"
  gitOpsTool: argocd
  failedDetections: [pdbProtected]
execution:
  engine: tekton
  bundle: quay.io/x/y:v1@sha256:ab
parameters:
  - name: N
    default: 2024-01-01
"""


def test_the_mapping() -> None:
    assert to_workflow(TEXT.encode()) == {
        "workflow_name": "restart-v1",
        "version": "1.0.0",
        "name": "Restarts a pod",
        "description": "Restarts a pod\nWhen to use: Now\nPreconditions: None",
        "content": TEXT,
        "content_hash": hashlib.sha256(TEXT.encode()).hexdigest(),
        "labels": {
            "signal_type": "OOMKilled",
            "severity": ["critical", "high"],
            "environment": ["production"],
            "component": "pod",
            "priority": "*",
        },
        "custom_labels": {"team": ["payments"]},
        "detected_labels": {
            "hpaEnabled": True,
            "stateful": False,
            "gitOpsTool": "argocd",
            "failed_detections": ["pdbProtected"],
        },
        "execution_engine": "tekton",
        "container_image": "quay.io/x/y:v1@sha256:ab",
        "container_digest": "sha256:ab",
        "parameters": {"actionType": "RestartPod", "parameters": [{"name": "N", "default": "2024-01-01"}]},
    }


def test_a_given_signal_fills_in_only_where_there_is_none() -> None:
    without = TEXT.replace("  signalName: OOMKilled\n", "")
    assert to_workflow(TEXT.encode(), "Other")["labels"]["signal_type"] == "OOMKilled"
    assert to_workflow(without.encode(), "Other")["labels"]["signal_type"] == "Other"


def test_a_long_text_gives_a_title_that_fits() -> None:
    text = TEXT.replace("Restarts a pod", "x" * 300)
    workflow = to_workflow(text.encode())
    assert workflow["name"] == "x" * 254 + "…"
    assert workflow["description"].startswith("x" * 300)


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        ("  signalName: OOMKilled\n", "", 9, "labels.signalName: is required; or give --signal-type"),
        ('"1.0.0"', "1.0", 3, "metadata.version: must be a string"),
        ("[critical, high]", "[critical, bad]", 11, "labels.severity: must be one of"),
        ('hpaEnabled: "true"', 'hpaEnabled: "yes"', 18, "detectedLabels"),
        ("engine: tekton", "motor: tekton", 22, "execution.engine: is required"),
        ("actionType: RestartPod", "metadata: {}", 8, "stands here twice"),
        ("actionType: RestartPod", "\tx", 8, "is not YAML"),
        ("actionType: RestartPod", "- x", 8, "is not YAML"),
        ("default: 2024-01-01", "1: 2", 27, "JSON"),
        ("execution:\n  engine: tekton", "execution: x\nx:\n  engine: tekton", 22, "execution: must be a mapping"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(old: str, new: str, line: int, reason: str) -> None:
    assert old in TEXT
    with pytest.raises(InvalidFileError, match=reason) as caught:
        to_workflow(TEXT.replace(old, new).encode())
    assert caught.value.line == line


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"x", b"\xff", b"a: 1\n---\nb: 2", b"a: &x [*x]", b"{" * 1000, b"2: !!set {}"]
)
def test_other_bytes_are_no_workflow(raw: bytes) -> None:
    with pytest.raises(InvalidFileError):
        to_workflow(raw)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("1:30", "1:30"),
        ("no", "no"),
        ("1_000", "1_000"),
        ("12:30:45.5", "12:30:45.5"),
        ("'0755'", "0755"),
        ("0.12345678901234567890123", Decimal("0.12345678901234567890123")),
        ("123456789012345678901234567890", Decimal("123456789012345678901234567890")),
    ],
)
def test_parameters_are_what_was_written(written: str, kept: object) -> None:
    [parameter] = to_workflow(TEXT.replace("2024-01-01", written).encode())["parameters"]["parameters"]
    assert parameter["default"] == kept
    assert (written.strip("'") in jsonvalue.compact(parameter).decode()) is True


def test_a_number_that_may_be_octal_is_refused_with_its_line() -> None:
    with pytest.raises(InvalidFileError, match="read differently") as caught:
        to_workflow(TEXT.replace("2024-01-01", "0755").encode())
    assert caught.value.line == 27


def test_versions_sort_as_people_sort_them() -> None:
    ordered = ["x", "1.9", "v1.10", "2.0-rc1", "2.0-rc2", "2.0-rc10", "2.0", "v2.0.1+build", "10"]
    backwards = ordered[::-1]
    assert sorted(backwards, key=version_key) == ordered


class FakeCatalogue:
    """The service in memory; ``rivals`` are created by somebody else just before the first create."""

    def __init__(self, stored: Mapping[tuple[str, str], str] | None = None, rivals: Sequence[File] = ()) -> None:
        self.stored = dict(stored or {})
        self.rivals = list(rivals)
        self.batches: list[list[tuple[str, str]]] = []

    def hashes(self, name: str) -> Mapping[str, str]:
        return {v: h for (n, v), h in self.stored.items() if n == name}

    def create(self, workflows: Sequence[Mapping[str, Any]]) -> Sequence[str] | None:
        while self.rivals:
            rival = self.rivals.pop()
            self.stored[rival.key] = rival.workflow["content_hash"]
        keys = [(w["workflow_name"], w["version"]) for w in workflows]
        if self.stored.keys() & set(keys):
            return None
        self.batches.append(keys)
        self.stored |= {k: w["content_hash"] for k, w in zip(keys, workflows, strict=True)}
        return [str(i) for i in range(len(keys))]


@pytest.fixture
def files(tmp_path: Path) -> list[File]:
    """Versions 2, 10 and 9 of one workflow, a copy of the first, and one that is no workflow."""
    for name, version in (("a", "2"), ("b", "10"), ("c", "9"), ("d", "2")):
        (tmp_path / f"{name}.yaml").write_text(TEXT.replace("1.0.0", version))
    (tmp_path / "e.yml").write_text("x: 1")
    (tmp_path / "ignored.txt").write_text("")
    return [file for path in find([str(tmp_path), str(tmp_path / "a.yaml")]) for file in read(path)]


def settle(files: Sequence[File], catalogue: FakeCatalogue, *, dry_run: bool = False) -> list[str]:
    run(files, catalogue, dry_run=dry_run, step=lambda: None)
    return [f.outcome for f in files]


@pytest.mark.parametrize("beside", [(), ("full",)])
def test_a_folder_without_files_ends_the_command_before_any_request(tmp_path: Path, beside: tuple[str, ...]) -> None:
    for name in ("full", "empty"):
        (tmp_path / name).mkdir()
    (tmp_path / "full" / "a.yaml").write_text(TEXT)
    (tmp_path / "empty" / "a.json").write_text("{}")
    paths = [str(tmp_path / name) for name in (*beside, "empty")]
    # Nothing listens there.
    result = CliRunner().invoke(datastorage, ["import", "workflows", "--url", "http://127.0.0.1:1", *paths])
    assert result.exit_code == 2
    assert result.output == f"datastorage: {tmp_path / 'empty'}: no *.yaml or *.yml file is there\n"


def test_new_files_go_as_one_batch_in_the_order_of_versions(files: list[File]) -> None:
    catalogue = FakeCatalogue()
    assert settle(files, catalogue) == ["created"] * 3 + ["collides", "invalid"]
    assert catalogue.batches == [[("restart-v1", v) for v in ("2", "9", "10")]]
    assert [f.workflow_id for f in files] == ["0", "2", "1", None, None]
    assert files[0].path in files[3].reason


def test_no_batch_has_more_keys_than_the_service_takes(files: list[File], monkeypatch: pytest.MonkeyPatch) -> None:
    one = workflow_batches.index_keys(files[0].workflow["labels"])
    monkeypatch.setattr(workflow_batches, "MAX_BATCH_KEYS", 2 * one.number)
    catalogue = FakeCatalogue()
    settle(files, catalogue)
    assert [len(batch) for batch in catalogue.batches] == [2, 1]
    monkeypatch.setattr(workflow_batches, "MAX_BATCH_KEY_BYTES", one.size_bytes)
    catalogue = FakeCatalogue()
    for file in files[:3]:
        file.outcome = ""
    settle(files, catalogue)
    assert [len(batch) for batch in catalogue.batches] == [1, 1, 1]


def test_a_file_that_is_too_large_or_empty_is_invalid_and_one_that_cannot_be_read_ends_it(tmp_path: Path) -> None:
    path = tmp_path / "w.yaml"
    for content, reason in ((b"# " + b"x" * MAX_FILE_BYTES, "is larger than 1048576 bytes"), (b"# c\n", "is empty")):
        path.write_bytes(content)
        [file] = read(str(path))
        assert (file.outcome, file.reason, file.line) == ("invalid", reason, 1)
    path.unlink()
    with pytest.raises(ReadError, match="No such file"):
        read(str(path))


def two_documents(tmp_path: Path, second: str = TEXT.replace("1.0.0", "2.0.0")) -> Path:
    path = tmp_path / "two.yaml"
    path.write_text(f"---\n{TEXT}---\n{second}")
    return path


def test_each_document_of_a_file_is_a_workflow(tmp_path: Path) -> None:
    """Its content is its own part of the file, so that it is the same in a file of its own."""
    found = read(str(two_documents(tmp_path)))
    assert settle(found, catalogue := FakeCatalogue()) == ["created", "created"]
    assert catalogue.batches == [[("restart-v1", "1.0.0"), ("restart-v1", "2.0.0")]]
    assert [f.position for f in found] == [f"{tmp_path}/two.yaml document {n}" for n in (1, 2)]
    assert [f.workflow["content"] for f in found] == ["---\n" + TEXT, "---\n" + TEXT.replace("1.0.0", "2.0.0")]
    alone = tmp_path / "alone.yaml"
    alone.write_text(found[1].workflow["content"])
    [same] = read(str(alone))
    assert same.workflow == found[1].workflow


def test_one_bad_document_leaves_the_others(tmp_path: Path) -> None:
    found = read(str(two_documents(tmp_path, TEXT.replace("  engine: tekton\n", ""))))
    assert settle(found, FakeCatalogue()) == ["created", "invalid"]
    line = TEXT.count("\n") + 3 + TEXT[: TEXT.index("execution:")].count("\n")
    assert found[1].position == f"{tmp_path}/two.yaml:{line} document 2"


def test_equal_documents_collide_and_say_with_which(tmp_path: Path) -> None:
    found = read(str(two_documents(tmp_path, TEXT)))
    assert settle(found, FakeCatalogue()) == ["created", "collides"]
    assert found[1].reason == f"with {tmp_path}/two.yaml document 1: restart-v1 1.0.0"


def test_the_command_says_that_a_file_holds_several(tmp_path: Path) -> None:
    path = two_documents(tmp_path, "x: 1")
    (tmp_path / "a.yaml").write_text("x: 1")
    with StubService() as stub:
        stub.script.append(Canned(200, b'{"versions": []}'))
        result = CliRunner().invoke(datastorage, ["import", "workflows", "--dry-run", "--url", stub.url, str(tmp_path)])
        assert result.exit_code == 1, result.output
        stub.script.append(Canned(200, b'{"versions": []}'))
        as_json = CliRunner().invoke(
            datastorage, ["import", "workflows", "--dry-run", "--json", "--url", stub.url, str(path)]
        )
    assert result.stderr == f"{path}: holds 2 documents, each a workflow\n"
    lines = result.stdout.splitlines()
    assert lines[1] == f"would be created  {path} document 1  restart-v1 1.0.0"
    assert lines[2].startswith(f"invalid  {path}:29 document 2  metadata.workflowId: is required")
    assert lines[3].startswith("3 documents of 2 files: 1 would be created, ")
    assert [json.loads(line)["document"] for line in as_json.stdout.splitlines()] == [1, 2]


def test_stored_ones_are_left_out(files: list[File]) -> None:
    catalogue = FakeCatalogue({files[0].key: files[0].workflow["content_hash"], files[1].key: "other"})
    assert settle(files, catalogue) == ["already there", "changed", "created", "collides", "invalid"]


def test_a_dry_run_sends_nothing(files: list[File]) -> None:
    catalogue = FakeCatalogue()
    assert settle(files, catalogue, dry_run=True)[:3] == ["created"] * 3
    assert catalogue.batches == []


def test_one_that_somebody_else_creates_meanwhile_is_left_out(files: list[File]) -> None:
    catalogue = FakeCatalogue(rivals=[files[1]])
    assert settle(files, catalogue)[:3] == ["created", "already there", "created"]


class JudgingCatalogue(FakeCatalogue):
    """A service that checks what it is sent, as it does where only the client is installed."""

    def create(self, workflows: Sequence[Mapping[str, Any]]) -> Sequence[str] | None:
        faults = {i: found for i, w in enumerate(workflows) if (found := schemas.workflow_faults(dict(w)))}
        if faults:
            raise InvalidBatchError(faults)
        return super().create(workflows)


def test_without_the_services_package_the_service_judges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = two_documents(tmp_path, TEXT.replace("1.0.0", "2.0.0").replace("  engine: tekton\n", ""))
    [_, expected] = read(str(path))
    monkeypatch.setattr(workflow_files, "hook", lambda name: None)
    found = read(str(path))
    assert settle(found, catalogue := JudgingCatalogue()) == ["created", "invalid"]
    assert catalogue.batches == [[("restart-v1", "1.0.0")]]
    assert (found[1].position, found[1].reason) == (expected.position, expected.reason)
    path.write_text("x: 1")
    [nameless] = read(str(path))
    assert nameless.reason == "metadata.workflowId: must be a string; metadata.version: must be a string"


@pytest.mark.parametrize(
    ("outcomes", "said"),
    [
        ([CREATED], "1 file: 1 created, 0 already there, 0 changed (refused), 0 colliding, 0 invalid"),
        (
            [CHANGED, COLLIDES, COLLIDES],
            "3 files: 0 created, 0 already there, 1 changed (refused), 2 colliding, 0 invalid",
        ),
    ],
)
def test_the_summary_reads_as_a_sentence(outcomes: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    files = [File(f"{n}.yaml", {"workflow_name": "a", "version": "1"}, outcome) for n, outcome in enumerate(outcomes)]
    report_workflows(files, dry_run=False, as_json=False)
    *lines, last = capsys.readouterr().out.splitlines()
    assert last == said
    assert [line.split("  ")[0] for line in lines] == [{CHANGED: "changed (refused)"}.get(o, o) for o in outcomes]
