"""Two hundred workflows one by one and as one batch, and files by command.

Their speed is measured by `make bench-datastorage`.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from datastorage_client.cli.commands import datastorage
from datastorage_common import jsonvalue

from tests.integration.service import Service, running
from tests.integration.workflow_support import LABELS, WORKFLOWS, created, found, ids, workflow
from tests.support import ROOT, Database, GunicornService, PostgresServer

N = 200


@pytest.fixture(scope="module")
def service(postgres: PostgresServer, template: str) -> Iterator[Service]:
    with running(postgres, template) as s:
        yield s


def one_by_one(service: Service, bodies: list[dict[str, Any]]) -> list[str]:
    return [created(service, **body)["workflow_id"] for body in bodies]


def as_one_batch(service: Service, bodies: list[dict[str, Any]]) -> list[str]:
    answer = service.post(bodies, WORKFLOWS + "/batch")
    assert answer.status_code == 201, answer.text
    made: list[str] = answer.json["workflow_ids"]
    return made


@pytest.mark.parametrize("send", [one_by_one, as_one_batch])
def test_all_are_stored_and_found_right_after(
    service: Service, send: Callable[[Service, list[dict[str, Any]]], list[str]]
) -> None:
    labels = {**LABELS, "component": uuid.uuid4().hex}
    bodies = [workflow(labels=labels, content=f"step: {i}") for i in range(N)]
    made = send(service, bodies)
    # Equal scores: newest first, which is the last of the array.
    assert ids(found(service, top_k=100, filters=labels)) == made[:-101:-1]
    listed = service.client.get(
        WORKFLOWS, query_string={"component": labels["component"], "limit": 1000, "include": "content"}
    ).json
    assert [(w["workflow_id"], w["content"]) for w in listed["workflows"]] == [
        (ident, body["content"]) for ident, body in zip(made[::-1], bodies[::-1], strict=True)
    ]
    assert listed["total"] == N
    for ident in (made[0], made[-1]):
        assert service.list(correlation_id=ident)["pagination"]["total"] == 1


# --- files ------------------------------------------------------------------------------------------------------

CORPUS = ROOT / "loadtests" / "corpus" / "workflows"


@pytest.fixture
def gunicorn(database: Database, tmp_path: Path) -> Iterator[GunicornService]:
    service = GunicornService(database.environ, tmp_path / "log")
    service.start()
    yield service
    service.stop()


def command(gunicorn: GunicornService, *arguments: str) -> Result:
    return CliRunner().invoke(datastorage, [*arguments, "--url", gunicorn.url])


def imported(gunicorn: GunicornService, *arguments: str) -> dict[str, dict[str, Any]]:
    result = command(gunicorn, "import", "workflows", "--json", str(CORPUS), *arguments)
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 1, result.output  # of the corpus two always collide
    return {Path(line["path"]).stem: line for line in lines}


def test_the_corpus(gunicorn: GunicornService, database: Database) -> None:
    dry = imported(gunicorn, "--dry-run")
    assert database.count("remediation_workflow_catalog") == 0
    first = imported(gunicorn)
    assert [f["outcome"] for f in dry.values()] == [f["outcome"] for f in first.values()]
    assert Counter(f["outcome"] for f in first.values()) == {"created": 22, "collides": 2, "invalid": 1}
    assert {name for name, f in first.items() if f["outcome"] == "collides"} == {
        "crashloop-config-fix",
        "oomkill-increase-memory",
    }
    assert (first["generic-restart"]["line"], "signalName" in first["generic-restart"]["reason"]) == (14, True)
    second = imported(gunicorn, "--signal-type", "PodRestart")
    assert Counter(f["outcome"] for f in second.values()) == {"already there": 22, "created": 1, "collides": 2}
    third = imported(gunicorn)
    assert Counter(f["outcome"] for f in third.values()) == {"already there": 22, "collides": 2, "invalid": 1}
    assert database.count("remediation_workflow_catalog") == 23

    latest = gunicorn.request("GET", f"{WORKFLOWS}/by-name/oom-recovery-v1/latest").json
    assert latest["version"] == "v2.0.0"
    # The OOMKilled ones for a pod in production at critical: three that name P0, then the one with P0 as `*`; the
    # detected labels put the one that detects them first.
    asked = ["--signal-type", "OOMKilled", "--severity", "critical", "--component", "pod"]
    asked += ["--environment", "production", "--priority", "P0"]
    detected = ["--detected", "hpaEnabled", "--detected", "gitOpsTool=argocd"]
    result = command(gunicorn, "workflows", "search", "--json", *asked, *detected)
    answer = json.loads(result.stdout)
    ranked = [(w["workflow_id"], w["final_score"]) for w in answer["workflows"]]
    assert ranked == [
        (first["detected-labels-test"]["workflow_id"], 0.512),
        *sorted(
            ((first[name]["workflow_id"], 0.49) for name in ("discovery-test", "security-gate-test")),
            key=lambda pair: pair[0],
            reverse=True,  # ids are made in order: newest first
        ),
        (first["oomkill-increase-memory-job"]["workflow_id"], 0.49),
    ]
    table = command(gunicorn, "workflows", "search", *asked, *detected)
    assert table.exit_code == 0
    for text in ("0.512", "+0.1 detected_labels.gitOpsTool=argocd", "-0.1", ranked[0][0]):
        assert text in table.stdout


def test_a_changed_file_needs_a_new_version(gunicorn: GunicornService, tmp_path: Path) -> None:
    file = tmp_path / "w.yaml"
    file.write_text((CORPUS / "hello-world.yaml").read_text())
    assert command(gunicorn, "import", "workflows", str(file)).exit_code == 0
    file.write_text(file.read_text() + "# changed\n")
    result = command(gunicorn, "import", "workflows", str(file))
    assert result.exit_code == 1
    assert "changed (refused)" in result.stdout
    assert "new version" in result.stdout


HEAD = """\
metadata: {workflowId: NAME, version: "1.0.0", description: a probe}
labels: {signalName: OOMKilled, severity: critical, component: pod, environment: staging, priority: P2}
execution: {engine: tekton, bundle: "example.invalid/probe:v1"}
"""


def test_values_come_back_as_they_were_written(gunicorn: GunicornService, tmp_path: Path) -> None:
    values = {"A": "1:30", "B": "no", "C": "1_000", "D": "12:30:45.5", "E": "2026-01-05"}
    numbers = {"F": "0.12345678901234567890123", "G": "123456789012345678901234567890", "H": "1.10"}
    file = tmp_path / "w.yaml"
    lines = [f"  - {{name: {name}, default: {text}}}\n" for name, text in {**values, **numbers}.items()]
    file.write_text(HEAD.replace("NAME", "scalars") + "parameters:\n" + "".join(lines))
    assert command(gunicorn, "import", "workflows", str(file)).exit_code == 0
    answer = gunicorn.request("GET", f"{WORKFLOWS}/by-name/scalars/latest")
    kept = jsonvalue.parse(answer.body)["parameters"]["parameters"]
    assert {p["name"]: p["default"] for p in kept if p["name"] in values} == values
    assert {p["name"]: str(p["default"]) for p in kept if p["name"] in numbers} == numbers


def test_files_that_are_not_taken_leave_the_others(gunicorn: GunicornService, tmp_path: Path) -> None:
    good = HEAD.replace("NAME", "one") + "---\n" + HEAD.replace("NAME", "two")
    aliases = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}' if n else 'x'] * 9)}]\n" for n in range(7))
    texts = {
        "aliases": HEAD + aliases,
        "documents": good,
        "octal": HEAD + "parameters: [0755]\n",
        "recursive": HEAD + "parameters: &a [*a]\n",
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    result = command(gunicorn, "import", "workflows", str(tmp_path))
    assert result.exit_code == 1
    assert result.stderr == f"{tmp_path}/documents.yaml: holds 2 documents, each a workflow\n"
    assert [line.split("  ")[:2] for line in result.stdout.splitlines()] == [
        ["invalid", f"{tmp_path}/aliases.yaml:8"],
        ["created", f"{tmp_path}/documents.yaml document 1"],
        ["created", f"{tmp_path}/documents.yaml document 2"],
        ["invalid", f"{tmp_path}/octal.yaml:4"],
        ["invalid", f"{tmp_path}/recursive.yaml:4"],
        ["5 documents of 4 files: 2 created, 0 already there, 0 changed (refused), 0 colliding, 3 invalid"],
    ]
    again = command(gunicorn, "import", "workflows", str(tmp_path / "documents.yaml"))
    assert (again.exit_code, "2 already there" in again.stdout) == (0, True)
