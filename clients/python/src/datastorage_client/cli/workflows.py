"""`datastorage workflows`: a search of the catalogue as a ranked table; and what `import workflows` says and asks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any
from urllib.parse import quote

import click
from datastorage_common import jsonvalue
from datastorage_common.counts import counted
from datastorage_common.terminal import printable
from rich.table import Table
from rich.text import Text

from datastorage_client.cli.errors import ProblemError, ServiceError, fail, understood
from datastorage_client.cli.http_client import HTTPClient
from datastorage_client.cli.importers.workflows import (
    CHANGED,
    COLLIDES,
    CREATED,
    EXISTS,
    INVALID,
    File,
    InvalidBatchError,
)
from datastorage_client.cli.options import service_options
from datastorage_client.cli.tables import console, show, table
from datastorage_client.models import DetectedLabelName, WorkflowPriority, WorkflowSeverity, WorkflowStatus

_PATH = "/api/v1/workflows"
# Detected labels that hold a text; the others are there or not.
_CHOICES = (DetectedLabelName.GITOPSTOOL, DetectedLabelName.SERVICEMESH)
_FLAGS = tuple(name for name in DetectedLabelName if name not in _CHOICES)
# A field of one of several workflows, as the service's problems name it.
_INDEXED_FIELD = re.compile(r"\[(\d+)\]\.?(.*)", re.DOTALL)
# Someone waits for the answer; long enough for a worker's restart.
_RETRY_LIMIT_S = 10.0


@click.group(name="workflows", no_args_is_help=True)
def workflows() -> None:
    """Search the catalogue of workflows."""


# As people order them; the generated sets are in the order of the alphabet.
SEVERITIES = (WorkflowSeverity.CRITICAL, WorkflowSeverity.HIGH, WorkflowSeverity.MEDIUM, WorkflowSeverity.LOW)
PRIORITIES = (WorkflowPriority.P0, WorkflowPriority.P1, WorkflowPriority.P2, WorkflowPriority.P3)
STATUSES = (WorkflowStatus.ACTIVE, WorkflowStatus.DISABLED, WorkflowStatus.DEPRECATED, WorkflowStatus.ARCHIVED)


def _one_of(values: Sequence[StrEnum]) -> click.Choice[str]:
    return click.Choice([value.value for value in values])


def _pairs(ctx: click.Context, parameter: click.Parameter, values: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for value in values:
        key, equals, text = value.partition("=")
        if not key or not equals:
            raise click.BadParameter(f"{value!r} is not NAME=VALUE", ctx, parameter)
        found.setdefault(key, []).append(text)
    return found


def _detected(ctx: click.Context, parameter: click.Parameter, values: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for value in values:
        name, _, text = value.partition("=")
        if name in _FLAGS and text in ("", "true", "false"):
            found[name] = text != "false"
        elif name in _CHOICES and text:
            found[name] = text
        else:
            names = ", ".join([*_FLAGS, *(f"{n}=VALUE" for n in _CHOICES)])
            raise click.BadParameter(f"{value!r} is not one of {names}", ctx, parameter)
    return found


def _score(ctx: click.Context, parameter: click.Parameter, value: str | None) -> Decimal | None:
    try:
        number = None if value is None else Decimal(value)
    except InvalidOperation:
        number = Decimal(-1)
    if number is not None and not (number.is_finite() and 0 <= number <= 1):
        raise click.BadParameter(f"{value!r} is not a number from 0 to 1", ctx, parameter)
    return number


@workflows.command(
    no_args_is_help=True,
    epilog="""\b
Examples:
  datastorage workflows search --signal-type OOMKilled --severity critical \\
      --component pod --environment production --priority P0
  … --detected gitOpsManaged --detected gitOpsTool=argocd --custom team=payments

\b
Exit codes:
  0  the search was answered, also if nothing matches
  1  the service cannot be reached or does not answer the search
  2  wrong options""",
)
@service_options
@click.option("--signal-type", required=True, metavar="TYPE", help="The signal, such as OOMKilled.")
@click.option("--severity", required=True, type=_one_of(SEVERITIES), help="How bad it is.")
@click.option("--component", required=True, metavar="KIND", help="What it is about, such as pod.")
@click.option("--environment", required=True, metavar="NAME", help="Where, such as production.")
@click.option("--priority", required=True, type=_one_of(PRIORITIES), help="How urgent it is.")
@click.option("--detected", multiple=True, callback=_detected, metavar="NAME[=VALUE]", help="A detected label.")
@click.option("--custom", multiple=True, callback=_pairs, metavar="NAME=VALUE", help="A custom label.")
@click.option("--status", multiple=True, type=_one_of(STATUSES), help="This status instead of active.")
@click.option("--top-k", type=click.IntRange(1, 100), default=10, show_default=True, help="Results at the most.")
@click.option("--min-score", callback=_score, metavar="0..1", help="No result below this score.")
@click.option("--include-disabled", is_flag=True, help="Workflows of any status.")
@click.option("--json", "as_json", is_flag=True, help="Print the service's answer as JSON.")
def search(
    url: str,
    token: str | None,
    detected: dict[str, Any],
    custom: dict[str, list[str]],
    status: tuple[str, ...],
    top_k: int,
    min_score: Decimal | None,
    include_disabled: bool,
    as_json: bool,
    **labels: str,
) -> None:
    """Find the workflows that fit a signal, best first, with what made each score."""
    filters: dict[str, Any] = {**labels, "detected_labels": detected, "custom_labels": custom, "status": list(status)}
    body: dict[str, Any] = {
        "filters": {name: value for name, value in filters.items() if value},
        "top_k": top_k,
        "include_disabled": include_disabled,
        "min_score": min_score,
    }
    try:
        client = HTTPClient(url, token=token, retry_limit_s=_RETRY_LIMIT_S)
        path = f"{_PATH}/search?explain=true"
        answer = client.post(path, jsonvalue.compact(body), repeatable=True).object()
        if as_json:
            click.echo(jsonvalue.compact(answer))
            return
        with understood():
            ranked = _table(answer["workflows"])
    except ServiceError as e:
        fail(e, _option)
    if ranked.row_count:
        show(ranked, console())
    else:
        click.echo("no workflow fits", err=True)


def _option(member: str) -> str:
    """The option that a member of the request comes from, and which part of it: ``--custom team``."""
    name, _, part = member.removeprefix("filters.").partition(".")
    return f"--{name.removesuffix('_labels').replace('_', '-')} {part}".rstrip()


def _table(results: Iterable[Mapping[str, Any]]) -> Table:
    ranked = table()
    for column in ("rank", "score", "boost", "penalty"):
        ranked.add_column(column, justify="right", no_wrap=True)
    for column in ("workflow", "made of"):
        ranked.add_column(column, overflow="fold")
    for r in results:
        numbers = [str(r[k]) for k in ("rank", "final_score", "label_boost", "label_penalty")]
        what = f"{r['title']}\n{r['workflow_id']}"
        cells = [*numbers, "\n".join(map(printable, what.split("\n"))), "\n".join(_terms(r["score_breakdown"]))]
        ranked.add_row(*(Text(cell) for cell in cells))
    return ranked


def _terms(breakdown: Iterable[Mapping[str, Any]]) -> list[str]:
    shown = []
    for term in breakdown:
        if term["points"]:
            asked = term.get("asked")
            value = "" if asked is None or asked is True else f"={asked}"
            shown.append(printable(f"{term['points']:+} {term['term']}{value}"))
    return shown


# --- import workflows -------------------------------------------------------------------------------------------


class WorkflowCatalogue:
    """The service's catalogue, over HTTP."""

    def __init__(self, client: HTTPClient) -> None:
        self._client = client

    def hashes(self, name: str) -> Mapping[str, str]:
        """The name's versions, each with its content_hash. Raises ServiceError."""
        path, found = f"{_PATH}/by-name/{quote(name, safe='')}/versions", {}
        cursor: str | None = None
        while True:
            answer = self._client.get(path, {} if cursor is None else {"cursor": cursor}).object()
            with understood():
                found.update({v["version"]: v["content_hash"] for v in answer["versions"]})
            following = answer.get("next_cursor")
            if following is None:
                return found
            if following == cursor or not isinstance(following, str):
                raise ServiceError("the service gave a cursor that leads nowhere")
            cursor = following

    def create(self, new: Sequence[Mapping[str, Any]]) -> Sequence[str] | None:
        """Create all or none; their ids, or None if one of them has been created meanwhile.

        Raises InvalidBatchError for workflows that the service refuses, ServiceError.
        """
        try:
            # Not sent again when it is unknown whether it arrived: the next run finds out.
            answer = self._client.post(f"{_PATH}/batch", jsonvalue.compact(new), repeatable=False).object()
        except ProblemError as e:
            if e.status == 409:
                return None
            if e.blames_options and (faults := _faults(e.field_errors, len(new))):
                raise InvalidBatchError(faults) from e
            raise
        with understood():
            return [str(ident) for ident, _ in zip(answer["workflow_ids"], new, strict=True)]


def _faults(field_errors: Mapping[str, str], size: int) -> dict[int, list[tuple[str, str]]]:
    """By index the wrong members of the workflows of a batch, each with what is wrong; empty if none is named."""
    found: dict[int, list[tuple[str, str]]] = {}
    for field, message in field_errors.items():
        if (m := _INDEXED_FIELD.fullmatch(field)) and int(m[1]) < size:
            found.setdefault(int(m[1]), []).append((m[2], message))
    return found


def report_workflows(files: Sequence[File], *, dry_run: bool, as_json: bool) -> None:
    """A line for each file, then how many there are of each kind."""
    if as_json:
        for file in files:
            members = {
                "path": file.path,
                "document": file.document,
                "outcome": file.outcome,
                "reason": file.reason or None,
                "line": file.line,
                "workflow_name": file.workflow.get("workflow_name"),
                "version": file.workflow.get("version"),
                "workflow_id": file.workflow_id,
                "dry_run": dry_run,
            }
            click.echo(jsonvalue.compact({k: v for k, v in members.items() if v is not None}))
        return
    words = {CREATED: "would be created" if dry_run else CREATED, CHANGED: "changed (refused)"}
    for file in files:
        what = file.reason or " ".join(file.key)
        click.echo(printable(f"{words.get(file.outcome, file.outcome)}  {file.position}  {what}"))
    counts = Counter(f.outcome for f in files)
    kinds = (CREATED, EXISTS, CHANGED, COLLIDES, INVALID)
    words[COLLIDES] = "colliding"
    told = ", ".join(f"{counts[kind]} {words.get(kind, kind)}" for kind in kinds)
    paths = len({file.path for file in files})
    several = f"{counted(len(files), 'document')} of " if len(files) > paths else ""
    click.echo(f"{several}{counted(paths, 'file')}: {told}")
