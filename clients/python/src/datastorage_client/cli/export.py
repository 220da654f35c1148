"""`datastorage export`: records as NDJSON, CSV or Parquet, through broken streams and killed runs."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from datastorage_common import jsonvalue
from datastorage_common.counts import counted
from datastorage_common.files import as_text
from datastorage_common.terminal import printable

from datastorage_client.cli.errors import ServiceError, end, fail
from datastorage_client.cli.exports.download import Download
from datastorage_client.cli.exports.sink import (
    OutputError,
    PartFile,
    Query,
    StandardOutput,
    State,
    already_there,
    check_free,
    check_same,
    compress,
    forget_state,
    is_same,
    part_paths,
    read_state,
)
from datastorage_client.cli.filters import (
    event_filter_options,
    given,
    notification_filter_options,
    option_of,
    pinned,
)
from datastorage_client.cli.http_client import HTTPClient
from datastorage_client.cli.options import service_options
from datastorage_client.cli.progress import Flow
from datastorage_client.cli.terminating import end_by, ended_by_sigterm
from datastorage_client.folder import give_name, sync_folder
from datastorage_client.problems import DataStorageError
from datastorage_client.retry import Backoff

_STDOUT = "-"
_NEEDS = "--format parquet needs pyarrow, which is not installed: pip install 'datastorage-client[cli,parquet]'"
_EVIDENCE_NEEDS = "--evidence needs cryptography, which is not installed: pip install 'datastorage-client[cli,verify]'"
_LONGEST_WAIT_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Finished:
    """An export that is whole, and what a summary, or evidence of it, is made of."""

    output: str
    state: State
    seconds: float
    resumed: bool
    download: Download | None  # None where all of it was there already
    files: list[str]

    def summary(self) -> dict[str, object]:
        """For ``--json``. ``rows``, ``bytes`` and ``sha256`` are of the rows as the service gave them."""
        state, download = self.state, self.download
        told = None if download is None else download.range
        return {
            "output": self.output,
            "format": state.query.form,
            "files": self.files,
            "rows": state.rows,
            "bytes": state.offset,
            "sha256": state.sha256,
            "query": state.query.parameters,
            "before": state.before,
            "range": None if told is None or state.first is None else [state.first, told[1]],
            "next_feed": None if download is None else download.next_feed,
            "principal": None if download is None else download.principal,
            "request_ids": state.requests,
            "resumed": self.resumed,
            "breaks": 0 if download is None else download.breaks,
            "seconds": round(self.seconds, 3),
        }


class _Meter:
    """Rows, bytes and rows a second; and how much of the log was looked through, where that is told."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._stop: int | None = None
        self._rows: int | None = None  # that were there before

    def expect(self, stop: int) -> None:
        self._stop = stop

    def show(self, state: Callable[[], State]) -> None:
        self._flow.show(lambda seconds: self._text(state(), seconds))

    def _text(self, state: State, seconds: float) -> str:
        if self._rows is None:
            self._rows = state.rows
        speed = (state.rows - self._rows) / max(seconds, 0.001)
        said = f"{counted(state.rows, 'row')}, {state.offset / 1e6:,.1f} MB, {speed:,.0f} rows/s"
        if self._stop is None or state.first is None or state.log_index is None or self._stop <= state.first:
            return said
        part = (state.log_index + 1 - state.first) / (self._stop - state.first)
        return f"{said}, {min(1.0, max(0.0, part)):.0%} of the log"

    def note(self, text: str) -> None:
        self._flow.note(printable(text))


@click.command(
    no_args_is_help=True,
    epilog="""\b
Examples:
  datastorage export --since 90d --actor-id alice --format csv --output alice.csv
  datastorage export --since 2026-07-01 --until 2026-10-01 --format ndjson --output quarter.ndjson.gz --compress
  datastorage export --since 7d --format ndjson --output - | jq -c 'select(.event_outcome == "failure")'
  datastorage export --since 90d --format parquet --output quarter/
  datastorage export --since 90d --actor-id alice --evidence alice.zip --key log.pub
  datastorage export --kinds notification --status failed --format csv --output failed.csv

\b
Exit codes:
  0    the export is whole
  1    the service cannot be reached or gives no export, or it broke off and did not go on: run it again
  2    wrong options, or an output that is there already
  130  interrupted (SIGINT): run it again to go on
  143  terminated (SIGTERM): the same""",
)
@service_options
@event_filter_options
@notification_filter_options
@click.option(
    "--kinds", metavar="KINDS", help="audit_event (default), notification, or both with a comma and no filter."
)
@click.option("--format", "form", type=click.Choice(["ndjson", "csv", "parquet"]), help="Parquet: a file a day.")
@click.option("--output", metavar="FILE", help="A file; for Parquet a folder; - is standard output.")
@click.option(
    "--evidence",
    metavar="FILE.zip",
    type=click.Path(dir_okay=False, path_type=Path),
    help="In place of both: records with what proves them (docs/evidence.md).",
)
@click.option(
    "--key",
    "key_files",
    multiple=True,
    metavar="FILE",
    envvar="DATASTORAGE_LOG_KEY",
    show_envvar=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="For --evidence: verifier keys of the log, one a line. May be repeated.",
)
@click.option(
    "--after", metavar="PLACE", help="Begin behind it: a cursor, EVENT_DATE/EVENT_ID, notification/ID, an index."
)
@click.option("--before", metavar="PLACE", help="End before it. Default: what is signed when the export begins.")
@click.option("--salts", is_flag=True, help="Give the salt and digest of each record, which lead to its log entry.")
@click.option("--compress", "packed", is_flag=True, help="Write gzip.")
@click.option("--restart", is_flag=True, help="Throw away what a run of before has left, and begin anew.")
@click.option("--force", is_flag=True, help="Replace files that are there, once the new ones are whole.")
@click.option("--json", "as_json", is_flag=True, help="Print a summary as JSON at the end.")
@ended_by_sigterm()
def export(
    url: str,
    token: str | None,
    form: str | None,
    output: str | None,
    evidence: Path | None,
    key_files: tuple[Path, ...],
    salts: bool,
    packed: bool,
    restart: bool,
    force: bool,
    as_json: bool,
    **asked: str | None,
) -> None:
    """Export all records that match, in the order of the log.

    A stream that breaks off goes on by itself. A run that was stopped or killed goes on with the next one of the same
    options: until the export is whole its rows are in FILE.part, with FILE.part.json beside it. Rows are those that
    were signed when the first run began. A token needs the scope audit:read. docs/export.md has more.
    """
    if evidence is not None:
        if form or output or packed or restart:
            raise click.UsageError("--evidence stands in place of --format, --output, --compress and --restart")
        try:
            check_free(evidence, force=force, instead="")
        except OutputError as e:
            raise click.UsageError(f"--evidence: {e}") from None
        _write_evidence(HTTPClient(url, token=token), pinned(given(asked)), evidence, key_files, force, as_json)
        return
    if form is None or output is None:
        raise click.UsageError("--format and --output say what is written and where; or --evidence FILE.zip")
    _check_options(form, output, packed, as_json)
    filters = given(asked) | ({"salts": "true"} if salts else {})
    query = Query(form="csv" if form == "csv" else "ndjson", asked=filters, parameters=pinned(filters))
    begun = time.monotonic()
    with Flow() as flow:
        client = HTTPClient(url, token=token)
        client.on_wait = lambda seconds, why: flow.note(f"{str(why).splitlines()[0]}: trying again in {seconds:.1f} s")
        run = _Run(client, flow, query, begun, restart=restart, force=force, packed=packed)
        try:
            if output == _STDOUT:
                finished = run.to_stdout()
            elif form == "parquet":
                finished = run.to_folder(Path(output))
            else:
                finished = run.to_file(Path(output))
        except ServiceError as e:
            fail(e, option_of)
        except OutputError as e:
            end(str(e), 2)
        except KeyboardInterrupt as e:
            end_by(e, "" if output == _STDOUT else "; run it again to go on")
        except OSError as e:
            if output == _STDOUT:
                raise
            end(f"{as_text(e.filename or output)}: {e.strerror}; run it again to go on", 1)
    _say(finished, as_json)


def _write_evidence(
    client: HTTPClient, query: dict[str, str], path: Path, key_files: tuple[Path, ...], force: bool, as_json: bool
) -> None:
    if importlib.util.find_spec("cryptography") is None:
        end(_EVIDENCE_NEEDS, 1)
    from datastorage_client.cli.exports import evidence
    from datastorage_client.cli.trusted import check_has_keys, read_trust
    from datastorage_client.evidence.errors import EvidenceError
    from datastorage_client.verify.errors import VerificationError

    trust = read_trust(key_files, None)
    check_has_keys(trust)
    try:
        with Flow() as flow:
            written = evidence.write(client, query, path, trust, flow, force=force)
    except ServiceError as e:
        fail(e, option_of)
    except (EvidenceError, VerificationError) as e:
        end(str(e), 1)
    except DataStorageError as e:
        fail(client.told(e), option_of)
    except FileExistsError:
        end(f"--evidence: {already_there(path)}", 2)
    except OSError as e:
        end(f"{as_text(e.filename or path)}: {e.strerror}", 1)
    except KeyboardInterrupt as e:
        end_by(e)
    if as_json:
        told = {"evidence": as_text(path), "records": written.records, "bytes": written.bytes}
        point = written.checkpoint
        click.echo(jsonvalue.readable({**told, "origin": point.origin, "size": point.size, "root": point.root.hex()}))
        return
    where = f"{counted(written.records, 'record')}, proven in {written.checkpoint.origin}"
    click.echo(f"{where}, {written.bytes:,} bytes in {printable(as_text(path))}", err=True)


def _check_options(form: str, output: str, packed: bool, as_json: bool) -> None:
    """Raises UsageError."""
    if output == _STDOUT and sys.__stdout__ is None:
        raise click.UsageError("standard output is closed: rows have to go somewhere")
    if form == "parquet":
        if output == _STDOUT:
            raise click.UsageError("--format parquet makes a file a day: --output is a folder")
        if packed:
            raise click.UsageError("--compress goes with ndjson and csv: Parquet files are compressed by themselves")
        if importlib.util.find_spec("pyarrow") is None:
            end(_NEEDS, 1)
    if output == _STDOUT and as_json:
        raise click.UsageError("--json prints to standard output, where the rows go: name a file with --output")


class _Run:
    """One run of the command."""

    def __init__(
        self, client: HTTPClient, flow: Flow, query: Query, begun: float, *, restart: bool, force: bool, packed: bool
    ) -> None:
        self._client = client
        self._flow = flow
        self._query = query
        self._begun = begun
        self._restart = restart
        self._force = force
        self._packed = packed

    def to_stdout(self) -> Finished:
        """Raises ServiceError, OutputError, OSError, as those below do."""
        out = StandardOutput(State.of(self._client.url, self._query), compress=self._packed)
        download = self._download(out)
        download.run()
        out.finish()
        return self._finished(_STDOUT, out.settle(), download, [])

    def to_file(self, target: Path) -> Finished:
        """A file; the same bytes whether or not runs of before were killed."""
        try:
            return self._to_file(target)
        except FileExistsError:
            raise OutputError(already_there(target)) from None

    def _to_file(self, target: Path) -> Finished:
        """Raises FileExistsError where it cannot have its name in the end."""
        for left in (part_paths(target)[0], _packed(target)):
            # A run that was killed when the file had its name already: what is left is another name of the file.
            if is_same(left, target):
                left.unlink(missing_ok=True)
        if (state := self._moved(target)) is not None and target.exists():
            return self._finished(as_text(target), state, None, [as_text(target)])
        check_free(target, force=self._force)
        part, download = self._fetched(target)
        with part:
            # An export takes its time, and somebody else may have made the file meanwhile.
            check_free(target, force=self._force)
            if self._packed:
                made = _packed(target)
                compress(part.path, made, lambda done: self._flow.show(lambda _: f"compressing, {done / 1e6:,.0f} MB"))
                # Before it has its name: a run that is killed in between finds the one without the other.
                part.path.unlink()
                give_name(made, target, replace=self._force)
                part.forget()
            else:
                # What a run that packed has left would be taken for all of it.
                _packed(target).unlink(missing_ok=True)
                part.move(target, replace=self._force)
            return self._finished(as_text(target), part.state, download, [as_text(target)], resumed=part.resumed)

    def to_folder(self, folder: Path) -> Finished:
        """A Parquet file a day."""
        from datastorage_client.cli.exports import parquet

        there = parquet.files(folder)
        begun = not self._restart and read_state(folder / ".export") is not None
        if there and not begun and not self._force:
            raise OutputError(f"{as_text(folder)} has {as_text(there[0].name)} already; --force replaces such files")
        folder.mkdir(parents=True, exist_ok=True)
        if (state := self._moved(folder / ".export")) is not None:
            return self._finished(as_text(folder), state, None, [as_text(path) for path in parquet.files(folder)])
        part, download = self._fetched(folder / ".export")
        with part:
            files = parquet.write(part.path, folder, self._flow, salts="salts" in self._query.asked)
            # A reader of the folder would count the rows of an export of before as well.
            for old in set(there) - set(files) if self._force else ():
                old.unlink()
            part.remove()
            return self._finished(
                as_text(folder), part.state, download, list(map(as_text, files)), resumed=part.resumed
            )

    def _moved(self, base: Path) -> State | None:
        """The state of an export that was whole, and whose rows are gone from where they were: they have their name."""
        if self._restart or part_paths(base)[0].exists():
            return None
        state = read_state(base)
        if state is None or not state.whole:
            return None
        check_same(state, self._client.url, self._query, part_paths(base)[1])
        if _packed(base).exists():
            give_name(_packed(base), base, replace=self._force)
            sync_folder(base.parent)
        forget_state(part_paths(base)[1])
        return state

    def _fetched(self, base: Path) -> tuple[PartFile, Download | None]:
        """All rows, in the file of those that are not whole."""
        part = PartFile.open(base, self._client.url, self._query, restart=self._restart)
        try:
            if part.state.whole:
                return part, None
            if part.resumed:
                self._flow.note(f"going on behind row {part.state.rows:,}")
            download = self._download(part)
            try:
                download.run()
            except (ServiceError, KeyboardInterrupt):
                part.keep()
                raise
            part.whole()
        except BaseException:
            part.close()
            raise
        return part, download

    def _download(self, sink: Any) -> Download:
        return Download(self._client, sink, _Meter(self._flow), backoff=Backoff(longest=_LONGEST_WAIT_S))

    def _finished(
        self, output: str, state: State, download: Download | None, files: list[str], *, resumed: bool = False
    ) -> Finished:
        seconds = time.monotonic() - self._begun
        return Finished(
            output=output,
            state=state,
            seconds=seconds,
            resumed=resumed or download is None,
            download=download,
            files=files,
        )


def _packed(target: Path) -> Path:
    """Where rows are packed, until all of them are."""
    return target.parent / f"{target.name}.part.gz"


def _say(finished: Finished, as_json: bool) -> None:
    """The end of an export that is whole: here evidence of it is written, where somebody wants it."""
    if as_json:
        click.echo(jsonvalue.readable(finished.summary()))
        return
    where = "" if finished.output == _STDOUT else f" in {printable(finished.output)}"
    if len(finished.files) != 1 and where:
        where += f" ({counted(len(finished.files), 'file')})"
    click.echo(f"{counted(finished.state.rows, 'row')}, {finished.state.offset:,} bytes{where}", err=True)
