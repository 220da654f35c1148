"""`datastorage workflows search`: what is wrong with its options, and who says so."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner, Result
from datastorage_client import models
from datastorage_client.cli import workflows as command
from datastorage_client.cli.commands import datastorage
from datastorage_client.cli.errors import ServiceError
from datastorage_client.cli.http_client import HTTPClient
from datastorage_client.cli.workflows import WorkflowCatalogue

from app.http.problems import Problem
from tests.unit.stub_service import Canned, StubService

OPTIONS = {
    "--signal-type": "OOMKilled",
    "--severity": "low",
    "--component": "pod",
    "--environment": "production",
    "--priority": "P1",
}


def search(url: str, **changed: str) -> Result:
    options = {**OPTIONS, **{f"--{name.replace('_', '-')}": value for name, value in changed.items()}}
    words = [word for pair in options.items() for word in pair]
    return CliRunner().invoke(datastorage, ["workflows", "search", "--url", url, *words])


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"signal_type": ""}, "--signal-type: is required"),
        ({"component": "a\0"}, "--component: holds a character that cannot be stored"),
        ({"detected": "gitOpsTool=svn"}, "--detected gitOpsTool: must be one of: argocd, flux, *"),
        ({"custom": f"team={'x' * 300}"}, "--custom: exceeds maximum length"),
        ({"custom": "team"}, "Invalid value for '--custom': 'team' is not NAME=VALUE"),
    ],
)
def test_what_the_service_refuses_is_a_wrong_option(changed: dict[str, str], told: str) -> None:
    with StubService() as stub:
        result = search(stub.url, **changed)
    assert result.exit_code == 2
    assert f"Error: {told}" in result.stderr


def test_what_only_the_service_refuses_is_a_wrong_option_too() -> None:
    error = {"filters.component": "is unknown"}
    problem = Problem("validation-error", "filters.component is unknown", field_errors=error)
    with StubService() as stub:
        body = problem.body("https://kubernaut.ai/problems", "/")
        stub.script.append(Canned(400, body, (("Content-Type", "application/problem+json"),)))
        result = search(stub.url)
    assert result.exit_code == 2
    assert result.stderr.endswith("\n\nError: --component: is unknown\n")


def versions(*pairs: tuple[str, str], cursor: str | None) -> Canned:
    rows = [{"version": version, "content_hash": digest} for version, digest in pairs]
    body = json.dumps({"workflow_name": "a/b", "versions": rows, "total": 3, "next_cursor": cursor}).encode()
    return Canned(200, body, (("Content-Type", "application/json"),))


def test_the_import_knows_the_versions_of_all_pages() -> None:
    with StubService() as stub:
        stub.script += [versions(("3", "c"), ("2", "b"), cursor="x y"), versions(("1", "a"), cursor=None)]
        found = WorkflowCatalogue(HTTPClient(stub.url)).hashes("a/b")
    assert found == {"3": "c", "2": "b", "1": "a"}
    path = "/api/v1/workflows/by-name/a%2Fb/versions"
    assert [(r.path, r.query) for r in stub.requests] == [(path, {}), (path, {"cursor": "x y"})]


def test_a_cursor_that_leads_nowhere_ends_the_import() -> None:
    with StubService() as stub:
        stub.script += [versions(("1", "a"), cursor="x")] * 2
        with pytest.raises(ServiceError, match="leads nowhere"):
            WorkflowCatalogue(HTTPClient(stub.url)).hashes("a/b")


@pytest.mark.parametrize("body", [b"{}", b'{"workflows": 1}', b'{"workflows": [1]}', b'{"workflows": [{"rank": 1}]}'])
def test_another_service_at_the_address_is_one_line(body: bytes) -> None:
    with StubService() as stub:
        stub.script.append(Canned(200, body, (("Content-Type", "application/json"),)))
        result = search(stub.url)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("datastorage: the answer is not one of the Data Storage Service")


@pytest.mark.parametrize(
    "body", [b"{}", b'{"versions": [1], "workflow_ids": 1}', b'{"versions": 1, "workflow_ids": []}']
)
def test_another_service_at_the_address_ends_the_import(body: bytes) -> None:
    with StubService() as stub:
        stub.script += [Canned(200, body, (("Content-Type", "application/json"),))] * 2
        catalogue = WorkflowCatalogue(HTTPClient(stub.url))
        with pytest.raises(ServiceError, match="is not one of the Data Storage Service"):
            catalogue.hashes("a")
        with pytest.raises(ServiceError, match="is not one of the Data Storage Service"):
            catalogue.create([{"workflow_name": "a"}])


def test_the_choices_are_those_of_the_document() -> None:
    for values, kind in (
        (command.SEVERITIES, models.WorkflowSeverity),
        (command.PRIORITIES, models.WorkflowPriority),
        (command.STATUSES, models.WorkflowStatus),
    ):
        assert set(values) == set(kind)
