"""`datastorage export` against a stand-in for the service: streams that break, runs that are killed, outputs."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from itertools import islice
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from datastorage_client.cli import export as command_module
from datastorage_client.cli.commands import datastorage
from datastorage_client.cli.exports import download as download_module
from datastorage_client.cli.exports import evidence as evidence_module
from datastorage_client.cli.exports import sink as sink_module
from datastorage_client.cli.exports.sink import PartFile
from datastorage_client.cli.http_client import HTTPClient
from datastorage_client.cli.progress import Flow
from datastorage_client.cli.terminating import TerminatedError
from datastorage_client.evidence import Written
from datastorage_client.folder import new_file
from datastorage_client.retry import Backoff
from datastorage_common.checkpoints import Checkpoint

from app.http.problems import Problem
from tests.support import Guarded, wait_until
from tests.unit.client.cli.deaths import Killed, dies_at
from tests.unit.client.export_service import BEFORE, ExportService, event, place
from tests.unit.client.feed_service import notification
from tests.unit.client.verify.log_server import KEY
from tests.unit.stub_service import Canned, Cut, busy

Run = Callable[..., Result]
KILLS = int(os.environ.get("EXPORT_KILLS", "6"))
SAVED = "export.ndjson.part.json"


@pytest.fixture
def stub() -> Iterator[ExportService]:
    with ExportService() as running:
        yield running


@pytest.fixture
def run(stub: ExportService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.setenv("DATASTORAGE_URL", stub.url)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command_module, "Backoff", lambda longest: Backoff(first=0.0))

    def invoke(*arguments: object) -> Result:
        result = CliRunner().invoke(datastorage, ["export", *map(str, arguments)])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return invoke


def break_after(size: int, done: Callable[[], object] = lambda: None) -> Callable[[Iterable[bytes]], Iterator[bytes]]:
    """A stream that ends in the middle, after so many bytes of its first chunks."""

    def bend(chunks: Iterable[bytes]) -> Iterator[bytes]:
        left = size
        for chunk in chunks:
            if left <= 0:
                break
            yield chunk[:left]
            left -= len(chunk)
        done()
        raise Cut

    return bend


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("form", ["ndjson", "csv"])
def test_a_file_has_what_the_service_gave(
    run: Run, stub: ExportService, tmp_path: Path, form: str, packed: bool
) -> None:
    stub.packed = packed
    result = run("--format", form, "--output", "out", "--since", "2026-01-01", "--actor-id", "alice", "--json")
    assert result.exit_code == 0
    whole = stub.whole(form)
    assert (tmp_path / "out").read_bytes() == whole
    assert os.listdir(tmp_path) == ["out"]
    told = json.loads(result.stdout)
    assert (told["rows"], told["bytes"]) == (500, (tmp_path / "out").stat().st_size)
    assert (told["stream_bytes"], told["stream_sha256"]) == (len(whole), sha256(whole).hexdigest())
    assert (told["before"], told["range"], told["principal"]) == (BEFORE, [0, 500], "alice")
    assert (told["request_ids"], told["files"], told["resumed"]) == (["request-1"], ["out"], False)
    assert stub.asked() == [{"format": form, "since": "2026-01-01", "actor_id": "alice"}]


@pytest.mark.parametrize("form", ["ndjson", "csv"])
def test_broken_streams_go_on_behind_the_last_whole_row(
    run: Run, stub: ExportService, tmp_path: Path, form: str
) -> None:
    size = len(stub.whole(form)) // 500
    stub.bends.extend([break_after(0), break_after(10 * size + 7), break_after(size * 200), break_after(3)])
    result = run("--format", form, "--output", "out", "--json")
    assert result.exit_code == 0
    assert (tmp_path / "out").read_bytes() == stub.whole(form)
    told = json.loads(result.stdout)
    assert (told["rows"], told["breaks"]) == (500, 4)
    assert "going on behind row" in result.stderr
    first, second, third, *_ = stub.asked()
    assert "after" not in first | second
    assert "before" not in first
    assert second["before"] == third["before"] == BEFORE
    assert third["after"].startswith("2026-01-05/01890a5d")


@pytest.mark.parametrize(
    ("options", "coding"),
    [
        (("--salts",), "identity"),
        (("--after", place(event(3)), "--before", BEFORE), "identity"),
        (("--actor-id", "alice"), "gzip"),
        (("--since", "2026-01-01"), "gzip"),
        (("--kinds", "notification"), "gzip"),
    ],
)
def test_a_stream_that_may_be_silent_for_long_is_packed(
    run: Run, stub: ExportService, options: tuple[str, ...], coding: str
) -> None:
    assert run("--format", "ndjson", "--output", "out", *options).exit_code == 0
    assert stub.requests[0].headers["Accept-Encoding"] == coding


def test_a_service_that_falls_silent_is_left_and_asked_again(
    run: Run, stub: ExportService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    done = threading.Event()

    def silent(chunks: Iterable[bytes]) -> Iterator[bytes]:
        for number, chunk in enumerate(chunks):
            if number == 2:
                yield chunk[:100]
                done.wait(60)
                raise Cut
            yield chunk

    stub.bends.append(silent)
    monkeypatch.setattr(
        HTTPClient.__init__, "__kwdefaults__", HTTPClient.__init__.__kwdefaults__ | {"read_timeout_s": 1.0}
    )
    result = run("--format", "ndjson", "--output", "out")
    done.set()
    assert result.exit_code == 0, result.stderr
    assert "nothing came for 1 s: going on behind row 200" in result.stderr
    assert (tmp_path / "out").read_bytes() == stub.whole()


def test_standard_output_goes_on_at_a_rows_end(run: Run, stub: ExportService) -> None:
    stub.bends.extend([break_after(50_003), break_after(70_001)])
    result = run("--format", "csv", "--output", "-")
    assert (result.exit_code, result.stdout_bytes) == (0, stub.whole("csv"))
    packed = run("--format", "ndjson", "--output", "-", "--compress")
    assert gzip.decompress(packed.stdout_bytes) == stub.whole()


def test_it_gives_up_where_no_row_comes(run: Run, stub: ExportService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download_module.Download.__init__, "__kwdefaults__", {"retry_limit_s": 0.2})
    stub.bends.extend([break_after(50_000)] + [break_after(0)] * 20_000)
    result = run("--format", "ndjson", "--output", "export.ndjson")
    assert result.exit_code == 1
    assert "run it again to go on behind row" in result.stderr.splitlines()[-1]
    stub.bends.clear()
    again = run("--format", "ndjson", "--output", "export.ndjson", "--json")
    assert again.exit_code == 0
    assert json.loads(again.stdout)["resumed"] is True
    assert Path("export.ndjson").read_bytes() == stub.whole()


def test_busy_is_waited_for_once_the_service_has_answered(run: Run, stub: ExportService) -> None:
    stub.script.extend([busy(), None])
    assert run("--format", "ndjson", "--output", "out").exit_code == 0
    assert len(stub.requests) == 2


@pytest.mark.parametrize("slug", ["feed-expired", "feed-restarted"])
def test_a_log_that_is_another_ends_it(run: Run, stub: ExportService, slug: str) -> None:
    body = Problem(slug, "what follows is gone", members={"next": "abc"}).body("https://kubernaut.ai/problems", "/")
    stub.script.append(Canned(410, body, (("Content-Type", "application/problem+json"),)))
    result = run("--format", "ndjson", "--output", "out", "--after", "cursor")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "what follows is gone" in result.stderr


def test_wrong_filters_are_told_by_their_options(run: Run, stub: ExportService) -> None:
    body = Problem("validation-error", "since: no", field_errors={"since": "is no time"})
    stub.script.append(Canned(400, body.body("x", "/"), (("Content-Type", "application/problem+json"),)))
    result = run("--format", "ndjson", "--output", "out", "--since", "yesterday")
    assert result.exit_code == 2
    assert "--since: is no time" in result.stderr


def test_what_was_refused_leaves_nothing_that_is_in_the_way(run: Run, stub: ExportService, tmp_path: Path) -> None:
    body = Problem("validation-error", "since: no", field_errors={"since": "is no time"})
    stub.script.append(Canned(400, body.body("x", "/"), (("Content-Type", "application/problem+json"),)))
    assert run("--format", "ndjson", "--output", "out", "--since", "yesterday").exit_code == 2
    assert os.listdir(tmp_path) == []
    assert run("--format", "ndjson", "--output", "out", "--since", "1d").exit_code == 0
    assert (tmp_path / "out").read_bytes() == stub.whole()


def test_other_answers_are_no_export(run: Run, stub: ExportService, tmp_path: Path) -> None:
    stub.headers = {"Content-Type": "text/html"}
    result = run("--format", "ndjson", "--output", "out")
    assert result.exit_code == 1
    assert "is there another service" in result.stderr
    stub.headers = {}
    stub.bends.append(lambda chunks: [*chunks, b'{"kind":'])
    result = run("--format", "ndjson", "--output", "out")
    assert (result.exit_code, "in the middle of a row" in result.stderr) == (1, True)


@pytest.mark.parametrize("line", [b"}{", b"[]", b"null", b'{"a":}', b"<html>"])
def test_a_line_that_is_no_object_ends_it_wherever_it_stands(
    run: Run, stub: ExportService, tmp_path: Path, line: bytes
) -> None:
    def bend(chunks: Iterable[bytes]) -> Iterator[bytes]:
        first, second, *others = chunks
        middle = len(second.splitlines(keepends=True)[0])
        yield from (first, second[:middle] + line + b"\n" + second[middle:], *others)

    arguments = ("--format", "ndjson", "--output", "out")
    stub.bends.append(bend)
    result = run(*arguments)
    # The stand-in may tell on the same standard error of the connection that was left.
    said = [text for text in result.stderr.splitlines() if text.startswith("datastorage:")]
    assert (result.exit_code, len(said), "a row that cannot be read" in said[0]) == (1, 1, True)
    assert saved_rows(tmp_path / "out") <= 101, "what came with it is not kept"
    assert run(*arguments).exit_code == 0
    assert (tmp_path / "out").read_bytes() == stub.whole()


@pytest.mark.parametrize("form", ["ndjson", "csv"])
def test_rows_that_are_there_already_are_refused(
    run: Run, stub: ExportService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, form: str
) -> None:
    """A service that pays no heed to `after` when a stream goes on."""
    arguments = ("--format", form, "--output", "out")
    stub.bends.append(break_after(100_000))
    with monkeypatch.context() as patched:
        patched.setattr(stub, "_start", lambda after: 0)
        result = run(*arguments)
    assert result.exit_code == 1
    assert "and so rows that are there already" in result.stderr.splitlines()[-1]
    assert run(*arguments).exit_code == 0
    assert (tmp_path / "out").read_bytes() == stub.whole(form)


def test_a_gzip_that_was_altered_leaves_nothing(run: Run, stub: ExportService, tmp_path: Path) -> None:
    stub.packed = True
    stub.bends.append(lambda chunks: [b"".join(chunks)[:-8] + bytes(8)])
    result = run("--format", "ndjson", "--output", "out")
    assert result.exit_code == 1
    assert "nothing of it is kept" in result.stderr
    assert run("--format", "ndjson", "--output", "out").exit_code == 0
    assert (tmp_path / "out").read_bytes() == stub.whole()


@pytest.mark.parametrize("packed", [False, True])
def test_the_size_that_is_told_is_that_of_the_file(run: Run, stub: ExportService, tmp_path: Path, packed: bool) -> None:
    arguments = ("--format", "ndjson", "--output", "out", *(["--compress"] if packed else []))
    said = run(*arguments).stderr
    size = (tmp_path / "out").stat().st_size
    assert said == f"500 rows, {size:,} bytes in out\n"
    assert (size < len(stub.whole())) == packed
    told = json.loads(run(*arguments, "--force", "--json").stdout)
    assert (told["bytes"], told["stream_bytes"]) == (size, len(stub.whole()))
    assert run(*arguments[:3], "-").stderr == f"500 rows, {len(stub.whole()):,} bytes as the service gave them\n"


def told_of_progress(run: Run, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int, str]]:
    """Rows, rows a second and the rest of what a run shows after each block, as if it took a second up to there."""
    with monkeypatch.context() as patched:
        patched.setattr(Flow, "show", lambda flow, text: flow.note(text(1.0)))
        said = run("--format", "ndjson", "--output", "out").stderr.splitlines()
    found = [re.fullmatch(r"(\d+) rows, [0-9.]+ MB, (\d+) rows/s(.*)", line) for line in said]
    return [(int(line[1]), int(line[2]), line[3]) for line in found if line is not None]


def test_progress_says_from_the_first_line_on_how_fast_it_is(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not say of an export that is over soon how much of the log it has."""
    first, *others = told_of_progress(run, monkeypatch)
    assert 0 < first[0] == first[1]
    assert first[2] == ""
    assert others == [(rows, rows, f", {rows / 500:.0%} of the log") for rows, *_ in others] != []


def test_progress_of_a_run_that_goes_on_is_that_of_its_own_rows(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Flow, "show", lambda flow, text: interrupt())
        assert run("--format", "ndjson", "--output", "out").exit_code == 130
    before = saved_rows(tmp_path / "out")
    rows, speed, _ = told_of_progress(run, monkeypatch)[0]
    assert 0 < speed == rows - before < rows


def test_one_record_is_one() -> None:
    assert [evidence_module._words("records", count) for count in (1, 2000)] == ["1 record", "2,000 records"]


def test_an_export_that_matches_nothing_is_whole(run: Run, stub: ExportService, tmp_path: Path) -> None:
    stub.items.clear()
    for form in ("ndjson", "csv", "parquet"):
        result = run("--format", form, "--output", form)
        assert (result.exit_code, result.stderr.startswith("0 rows, ")) == (0, True), result.stderr
    assert (tmp_path / "ndjson").read_bytes() == b""
    assert (tmp_path / "csv").read_bytes() == stub.whole("csv")
    assert os.listdir(tmp_path / "parquet") == []


class TestOutputs:
    def test_a_folder_that_is_not_there_is_named(self, run: Run, stub: ExportService, tmp_path: Path) -> None:
        result = run("--format", "csv", "--output", "none/out.csv")
        assert (result.exit_code, stub.requests, os.listdir(tmp_path)) == (2, [], [])
        assert result.stderr == "datastorage: none/out.csv: there is no folder none\n"

    def test_evidence_is_no_stream(self, run: Run, stub: ExportService, tmp_path: Path) -> None:
        result = run("--evidence", "-")
        assert (result.exit_code, stub.requests, os.listdir(tmp_path)) == (2, [], [])
        assert "--evidence writes a file, which has to be read again: name one" in result.stderr

    def test_what_is_there_stays_without_force(self, run: Run, stub: ExportService, tmp_path: Path) -> None:
        (tmp_path / "out").write_text("mine")
        result = run("--format", "ndjson", "--output", "out")
        assert (result.exit_code, (tmp_path / "out").read_text(), stub.requests) == (2, "mine", [])
        assert "--force" in result.stderr
        assert run("--format", "ndjson", "--output", "out", "--force").exit_code == 0
        assert (tmp_path / "out").read_bytes() == stub.whole()

    def test_what_somebody_made_meanwhile_stays_without_force(
        self, run: Run, stub: ExportService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        whole = PartFile.whole

        def made(part: PartFile) -> None:
            (tmp_path / "out").write_text("mine")
            whole(part)

        with monkeypatch.context() as patched:
            patched.setattr(PartFile, "whole", made)
            result = run("--format", "ndjson", "--output", "out")
        assert (result.exit_code, (tmp_path / "out").read_text()) == (2, "mine")
        assert "--force" in result.stderr
        asked = len(stub.requests)
        assert run("--format", "ndjson", "--output", "out", "--force").exit_code == 0
        assert ((tmp_path / "out").read_bytes(), len(stub.requests)) == (stub.whole(), asked), "its rows were there"

    @pytest.mark.parametrize("packed", [False, True])
    def test_what_somebody_made_at_the_last_moment_stays_without_force(
        self, run: Run, stub: ExportService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, packed: bool
    ) -> None:
        arguments = ("--format", "ndjson", "--output", "out", *(["--compress"] if packed else []))
        link = os.link

        def late(source: Path, target: Path) -> None:
            target.write_text("mine")
            link(source, target)

        with monkeypatch.context() as patched:
            patched.setattr(os, "link", late)
            result = run(*arguments)
        for refused in (result, run(*arguments)):
            assert (refused.exit_code, (tmp_path / "out").read_text()) == (2, "mine")
            assert "out is there already; --force" in refused.stderr
        asked = len(stub.requests)
        assert run(*arguments, "--force").exit_code == 0
        found = (tmp_path / "out").read_bytes()
        assert ((gzip.decompress(found) if packed else found), len(stub.requests)) == (stub.whole(), asked)
        assert os.listdir(tmp_path) == ["out"]

    @pytest.mark.parametrize("force", [False, True])
    def test_evidence_that_another_run_made_meanwhile_is_said(
        self, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, force: bool
    ) -> None:
        def write(*_: object, force: bool) -> Written:
            with new_file(tmp_path / "a.zip", replace=force):
                (tmp_path / "a.zip").write_text("mine")
            return Written(0, Checkpoint("origin", 0, bytes(32)), 0)

        monkeypatch.setattr(evidence_module, "write", write)
        (tmp_path / "log.pub").write_text(f"{KEY.verifier}\n")
        result = run("--evidence", "a.zip", "--key", "log.pub", *(["--force"] if force else []))
        said = "--evidence: a.zip is there already; --force replaces it"
        assert (result.exit_code, said in result.stderr) == ((0, False) if force else (2, True))
        assert (tmp_path / "a.zip").read_text() == ("" if force else "mine")

    @pytest.mark.parametrize("options", [("--format", "ndjson", "--output"), ("--evidence",)])
    def test_a_link_that_leads_nowhere_is_there(
        self, run: Run, stub: ExportService, tmp_path: Path, options: tuple[str, ...]
    ) -> None:
        (tmp_path / "out").symlink_to(tmp_path / "nowhere")
        result = run(*options, "out")
        assert (result.exit_code, (tmp_path / "out").is_symlink(), stub.requests) == (2, True, [])
        assert "a link that leads nowhere; --force replaces it" in result.stderr

    def test_evidence_takes_the_place_of_files_alone(self, run: Run, stub: ExportService, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        result = run("--evidence", "pipe", "--force")
        assert (result.exit_code, "is no regular file" in result.stderr, stub.requests) == (2, True, [])

    def test_a_standard_output_that_is_closed_is_no_output(
        self, run: Run, stub: ExportService, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys, "__stdout__", None)
        result = run("--format", "ndjson", "--output", "-")
        assert (result.exit_code, "standard output is closed" in result.stderr, stub.requests) == (2, True, [])

    def test_what_is_no_file_is_refused(self, run: Run, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / "other.part").write_text("mine")
        for name, said in (("pipe", "no regular file"), (".", "no regular file"), ("other", "is of no export")):
            result = run("--format", "ndjson", "--output", name, "--force")
            assert (result.exit_code, said in result.stderr) == (2, True)

    @pytest.fixture
    def stopped(self, run: Run, stub: ExportService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
        """The folder of a run that ended in the middle."""
        with monkeypatch.context() as patched:
            patched.setattr(download_module.Download.__init__, "__kwdefaults__", {"retry_limit_s": -1.0})
            stub.bends.append(break_after(100_000))
            args = ("--format", "ndjson", "--output", "export.ndjson", "--since", "7d")
            assert run(*args).exit_code == 1
        return tmp_path

    def test_another_query_is_refused(self, run: Run, stub: ExportService, stopped: Path) -> None:
        before = (stopped / "export.ndjson.part").read_bytes()
        result = run("--format", "ndjson", "--output", "export.ndjson", "--since", "8d")
        assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
        assert "--restart" in result.stderr
        assert "since=7d" in result.stderr
        assert (stopped / "export.ndjson.part").read_bytes() == before
        again = run("--format", "ndjson", "--output", "export.ndjson", "--since", "8d", "--restart", "--json")
        assert json.loads(again.stdout)["resumed"] is False
        assert (stopped / "export.ndjson").read_bytes() == stub.whole()

    def test_rows_of_two_callers_are_not_mixed(self, run: Run, stub: ExportService, stopped: Path) -> None:
        """Who has other limits is given other records."""
        before = (stopped / "export.ndjson.part").read_bytes()
        arguments = ("--format", "ndjson", "--output", "export.ndjson", "--since", "7d")
        stub.headers["Datastorage-Principal"] = "b%C3%B6b"
        result = run(*arguments)
        assert (result.exit_code, result.stderr.count("the rows that are there")) == (2, 1)
        assert "alice" in result.stderr
        assert "böb" in result.stderr
        assert (stopped / "export.ndjson.part").read_bytes() == before
        del stub.headers["Datastorage-Principal"]
        assert run(*arguments).exit_code == 0
        assert (stopped / "export.ndjson").read_bytes() == stub.whole()

    def test_what_it_did_not_write_is_cut_off(self, run: Run, stub: ExportService, stopped: Path) -> None:
        with open(stopped / "export.ndjson.part", "ab") as file:
            file.write(stub.whole() + b"half a ro")  # more than the rest, which would go over it
        asked = len(stub.requests)
        assert run("--format", "ndjson", "--output", "export.ndjson", "--since", "7d").exit_code == 0
        assert (stopped / "export.ndjson").read_bytes() == stub.whole()
        # A moment that counts back from now stays that of the first run.
        assert stub.asked()[asked]["since"] == stub.asked()[0]["since"]

    def test_what_was_altered_is_refused(self, run: Run, stopped: Path) -> None:
        part = stopped / "export.ndjson.part"
        part.write_bytes(b"x" + part.read_bytes()[1:])
        result = run("--format", "ndjson", "--output", "export.ndjson", "--since", "7d")
        assert (result.exit_code, "is not as it was written" in result.stderr) == (2, True)

    @pytest.mark.parametrize("text", ["", "{}", '{"version": 7}', "[" * 100_000])
    def test_a_state_that_cannot_be_read_is_refused(self, run: Run, stopped: Path, text: str) -> None:
        (stopped / SAVED).write_text(text)
        result = run("--format", "ndjson", "--output", "export.ndjson", "--since", "7d")
        assert (result.exit_code, "--restart" in result.stderr) == (2, True)

    def test_two_runs_do_not_write_one_file(self, run: Run, stub: ExportService, tmp_path: Path) -> None:
        entered, leave = threading.Event(), threading.Event()

        def held(chunks: Iterable[bytes]) -> Iterator[bytes]:
            entered.set()
            leave.wait(60)
            yield from chunks

        stub.bends.append(held)
        other = threading.Thread(target=run, args=("--format", "ndjson", "--output", "out"))
        other.start()
        assert entered.wait(60)
        result = run("--format", "ndjson", "--output", "out", "--restart")
        leave.set()
        other.join()
        assert (result.exit_code, "another run writes" in result.stderr) == (2, True)
        assert (tmp_path / "out").read_bytes() == stub.whole()

    @pytest.mark.parametrize("options", [(), ("--restart",)])
    def test_a_run_that_ends_meanwhile_keeps_its_file(
        self, run: Run, stub: ExportService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, options: tuple[str, ...]
    ) -> None:
        (tmp_path / "out.part").write_bytes(stub.whole())
        lock = sink_module.fcntl.flock

        def late(descriptor: int, how: int) -> None:
            (tmp_path / "out.part").rename(tmp_path / "out")
            lock(descriptor, how)

        with monkeypatch.context() as patched:
            patched.setattr(sink_module.fcntl, "flock", late)
            result = run("--format", "ndjson", "--output", "out", *options)
        assert (result.exit_code, "has just ended" in result.stderr) == (2, True)
        assert (tmp_path / "out").read_bytes() == stub.whole()

    def test_a_full_disk_is_said(self, run: Run, stub: ExportService, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*_: object) -> int:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr(sink_module.os, "write", full)
            result = run("--format", "ndjson", "--output", "out")
        assert (result.exit_code, "No space left on device; run it again" in result.stderr) == (1, True)
        assert run("--format", "ndjson", "--output", "out").exit_code == 0

    def test_compressed_it_has_the_same_rows(self, run: Run, stub: ExportService, tmp_path: Path) -> None:
        assert run("--format", "csv", "--output", "out.gz", "--compress").exit_code == 0
        assert gzip.decompress((tmp_path / "out.gz").read_bytes()) == stub.whole("csv")
        assert os.listdir(tmp_path) == ["out.gz"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--format", "parquet", "--output", "-"), "--output is a folder"),
        (("--format", "parquet", "--output", "d", "--compress"), "--compress goes with"),
        (("--format", "csv", "--output", "-", "--json"), "where the rows go"),
        (("--format", "xml", "--output", "-"), "'xml' is not one of"),
    ],
)
def test_options_that_do_not_go_together(run: Run, arguments: tuple[str, ...], said: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, said in result.stderr) == (2, True)


def test_both_kinds(run: Run, stub: ExportService, tmp_path: Path) -> None:
    stub.items = [event(0), notification(1), event(2), notification(3)]
    stub.chunk_rows = 1
    stub.bends.extend([break_after(len(b"".join(stub.lines("ndjson")[:2])) + 5), break_after(0)])
    arguments = ("--format", "ndjson", "--kinds", "audit_event,notification", "--output", "out")
    assert run(*arguments).exit_code == 0
    assert (tmp_path / "out").read_bytes() == stub.whole()
    assert stub.asked()[1]["after"] == place(stub.items[1]) == "notification/1"


# The command, which saves behind each block: so that kills come between all of its steps.
# A shell that runs the tests in the background has them, and what they start, ignore SIGINT.
OFTEN = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from datastorage_client.cli.exports import sink
sink.SAVE_EVERY_S = 0.0
from datastorage_client.cli.main import main
main()
"""


def saved_rows(output: Path) -> int:
    """How many rows the state beside an output counts."""
    path = output.with_name(f"{output.name}.part.json")
    return int(json.loads(path.read_bytes())["rows"]) if path.exists() else 0


@pytest.mark.parametrize("form", ["ndjson", "csv"])
def test_killed_at_any_moment_it_gives_the_same_file(tmp_path: Path, form: str) -> None:
    output = tmp_path / "out"
    command = [sys.executable, "-c", OFTEN, "export", "--format", form, "--output", output]
    rolled = random.Random(form)
    reached, gone = threading.Event(), threading.Event()

    def held_at(wanted: int) -> Callable[[Iterable[bytes]], Iterator[bytes]]:
        """A stream that waits there, in the middle of a row, until the run is killed."""

        def bend(chunks: Iterable[bytes]) -> Iterator[bytes]:
            for number, chunk in enumerate(chunks):
                if number == wanted:
                    yield chunk[:1000]
                    reached.set()
                    gone.wait(60)
                    raise Cut
                yield chunk

        return bend

    with ExportService([event(index) for index in range(20_000)]) as stub:
        environ = {**os.environ, "DATASTORAGE_URL": stub.url}
        for kill in range(KILLS):
            reached.clear()
            gone.clear()
            before = saved_rows(output)
            stub.bends.append(held_at(rolled.randrange(1, max(2, 190 // KILLS))))
            with Guarded(command, env=environ, stderr=subprocess.DEVNULL) as process:
                assert reached.wait(60)
                if kill % 2:
                    wait_until(lambda before=before: saved_rows(output) > before, 60, "rows that count")  # type: ignore[misc]
                else:  # what came is on its way to the disk
                    gone.wait(rolled.random() * 0.05)
                process.send_signal(signal.SIGKILL)
                process.wait(60)
                gone.set()
            assert not output.exists()
        done = subprocess.run(command, env=environ, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        assert output.read_bytes() == stub.whole(form)
        assert os.listdir(tmp_path) == ["out"]
        behind = {query.get("after") for query in stub.asked()}
        assert len(behind) > KILLS // 2


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("options", [("--evidence", "a.zip", "--key", "log.pub"), ("--format", "csv", "--output", "a")])
def test_a_signal_ends_it_and_leaves_what_the_next_run_needs(
    tmp_path: Path, options: tuple[str, ...], number: signal.Signals, code: int
) -> None:
    reached, gone = threading.Event(), threading.Event()

    def held(chunks: Iterable[bytes]) -> Iterator[bytes]:
        yield from islice(chunks, 2)  # for CSV the first is the header line
        reached.set()
        gone.wait(60)
        raise Cut

    (tmp_path / "log.pub").write_text(f"{KEY.verifier}\n")
    with ExportService() as stub:
        stub.bends.append(held)
        environ = {**os.environ, "DATASTORAGE_URL": stub.url}
        command = [sys.executable, "-c", OFTEN, "export", *options]
        with Guarded(command, env=environ, cwd=tmp_path, stderr=subprocess.PIPE) as process:
            assert reached.wait(60)
            if "--output" in options:
                wait_until(lambda: saved_rows(tmp_path / "a") == 100, 60, "rows that count")
            else:
                wait_until(lambda: any(path.suffix == ".new" for path in tmp_path.iterdir()), 60, "a bundle begun")
            process.send_signal(number)
            _, said = process.communicate(timeout=60)
            gone.set()
        assert process.returncode == code, said
        assert (
            said.decode().splitlines()[-1].startswith(f"datastorage: {'terminated' if code == 143 else 'interrupted'}")
        )
        left = {"a.part", "a.part.json"} if "--output" in options else set()
        assert {*os.listdir(tmp_path)} == {"log.pub", *left}
        if left:
            done = subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, check=False)
            assert done.returncode == 0, done.stderr
            assert (tmp_path / "a").read_bytes() == stub.whole("csv")


@pytest.mark.parametrize("error", [KeyboardInterrupt, TerminatedError])
def test_a_signal_within_a_step_keeps_no_state_that_is_not_of_the_rows(
    run: Run, stub: ExportService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: type[BaseException]
) -> None:
    arguments = ("--format", "csv", "--output", "out")
    monkeypatch.setattr(sink_module, "SAVE_EVERY_S", 0.0)
    for _ in range(2):
        calls = 0

        def written(part: PartFile, content: bytes, real: Callable[[PartFile, bytes], None] = PartFile.write) -> None:
            nonlocal calls
            calls += 1
            real(part, content)
            if calls == 3:
                raise error

        with monkeypatch.context() as patched:
            patched.setattr(PartFile, "write", written)
            assert run(*arguments).exit_code in (130, 143)
    assert 0 < saved_rows(tmp_path / "out") < 500
    assert run(*arguments).exit_code == 0
    assert (tmp_path / "out").read_bytes() == stub.whole("csv")


@pytest.mark.parametrize("options", [(), ("--restart",)])
def test_what_a_killed_run_has_packed_is_never_taken_for_the_file(
    run: Run, stub: ExportService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, options: tuple[str, ...]
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise Killed

    def half(source: Path, target: Path, shown: object) -> None:
        target.write_bytes(b"half of it")
        raise Killed

    arguments = ("--format", "ndjson", "--output", "out")
    with monkeypatch.context() as patched, contextlib.suppress(Killed):
        patched.setattr(command_module, "compress", half)
        run(*arguments, "--compress")
    # Then without packing, and killed when it has its name.
    with monkeypatch.context() as patched, contextlib.suppress(Killed):
        patched.setattr(sink_module.PartFile, "forget", killed)
        run(*arguments, *options)
    assert (tmp_path / "out").read_bytes() == stub.whole()
    assert run(*arguments).exit_code == 0
    assert (tmp_path / "out").read_bytes() == stub.whole()
    assert os.listdir(tmp_path) == ["out"]


@pytest.mark.parametrize("form", ["ndjson", "csv"])
@pytest.mark.parametrize("packed", [False, True])
def test_killed_between_the_last_steps(
    run: Run, stub: ExportService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, form: str, packed: bool
) -> None:
    """Each call that changes a file name, and what comes behind it, is where a run ends once."""
    arguments = ("--format", form, "--output", "out", *(["--compress"] if packed else []))
    for step in range(40):
        with dies_at(step, "link", "replace", "unlink", "fsync", "write", "ftruncate") as death:
            run(*arguments)
        assert run(*arguments).exit_code == (0 if death.came else 2)
        found = (tmp_path / "out").read_bytes()
        assert (gzip.decompress(found) if packed else found) == stub.whole(form)
        assert os.listdir(tmp_path) == ["out"]
        (tmp_path / "out").unlink()
        if not death.came:
            break
    else:
        pytest.fail("it has more steps than that")
