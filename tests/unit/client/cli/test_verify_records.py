"""`datastorage verify` of a service whose records are not those of its log."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from datastorage_client.verify.feed import FEED

from tests.unit.client.cli.support import Run
from tests.unit.client.verify.log_server import Log


def test_the_first_record_that_differs_is_named(log: Log, run: Run) -> None:
    idents = list(log.events)
    for ident in idents[300:303]:
        log.events[ident] = log.events[ident].replace(b"alert-1", b"alert-2")
    result = run("verify")
    assert result.exit_code == 1
    places = [line for line in result.stdout.splitlines() if "wrong:" in line]
    assert [line.partition(",")[0] for line in places] == [
        f"{name:<14}audit_event {ident}"
        for name, ident in zip(("first wrong:", "wrong:", "wrong:"), idents[300:303], strict=True)
    ]
    assert "wrong in all: 3 (content 3)" in result.stdout
    assert result.stderr == (
        f"datastorage: a record is not the one in the log: audit_event {idents[300]}, entry 300: its content does not "
        "give its digest; wrong in all: 3 (content 3)\n"
    )
    told = json.loads(run("verify", "--json").stdout)
    assert (told["ok"], told["faults"], told["compared"], len(told["wrong"])) == (False, {"content": 3}, 600, 3)
    named = {"what": "content", "index": 300, "kind": "audit_event", "id": idents[300]}
    assert named.items() < told["first"].items()
    assert run("verify", "--no-records").exit_code == 0


def test_the_first_twenty_are_named(log: Log, run: Run) -> None:
    log.events = {ident: event.replace(b"alert-1", b"alert-2") for ident, event in log.events.items()}
    said = run("verify").stdout
    assert said.count("\nfirst wrong:") + said.count("\nwrong:") == 20
    assert "wrong in all: 600 (content 600); --json names the first 600" in said


def test_records_are_demanded(log: Log, run: Run) -> None:
    log.missing.add(FEED)
    result = run("verify")
    assert result.exit_code == 0
    assert "not compared: records with their entries, as the service has no feed of its records: --sam" in result.stdout
    assert json.loads(run("verify", "--json").stdout)["not_compared"] == "the service has no feed of its records"
    result = run("verify", "--records")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr == (
        "datastorage: the records cannot be compared: the service has no feed of its records; see --no-records\n"
    )
    log.missing.clear()
    assert run("verify", "--records").exit_code == 0


@pytest.mark.parametrize(
    ("lie", "why"),
    [
        (lambda log: log.missing.add(FEED), "the service has no feed of its records"),
        (
            lambda log: log.changes.update({FEED: lambda page: page.replace(b'"log_index": 0', b'"log_index": null')}),
            "the service does not say where records are in the log: has this reader limits?",
        ),
    ],
    ids=["no feed", "no places"],
)
def test_that_records_were_not_compared_is_said_last(
    log: Log, run: Run, lie: Callable[[Log], object], why: str
) -> None:
    assert json.loads(run("verify", "--json").stdout)["verdict"] == "verified"
    lie(log)
    said = f"NOT COMPARED: no record was held against its entry, as {why}; --records makes that an error\n"
    for options in ((), ("--json",), ("--sample", 2)):
        result = run("verify", *options)
        assert (result.exit_code, result.stderr) == (0, said)
    told = json.loads(run("verify", "--json").stdout)
    assert (told["ok"], told["verdict"], told["not_compared"]) == (True, "not compared", why)
    assert (run("verify", "--records").exit_code, run("verify", "--records").stdout) == (3, "")
    # Who asked for no records knows.
    result = run("verify", "--no-records", "--json")
    assert (result.exit_code, result.stderr, json.loads(result.stdout)["verdict"]) == (0, "", "not compared")


@pytest.mark.parametrize("text", [b"[" * 300_000, b'{"x":' + b"[" * 300_000])
def test_a_page_that_nests_is_told_as_one_that_cannot_be_read(log: Log, run: Run, text: bytes) -> None:
    log.changes[FEED] = lambda page: text
    result = run("verify")
    assert (result.exit_code, "a page of records cannot be read" in result.stderr) == (1, True)
    told = json.loads(run("verify", "--json").stdout)
    assert (told["ok"], told["verdict"], told["faults"]) == (False, "wrong", {"feed": 1})


def test_what_was_compared_before_is_said(log: Log, run: Run, tmp_path: Path) -> None:
    for _ in range(2):
        result = run("verify", "--store", tmp_path / "store", "--only-new")
        assert result.exit_code == 0
    assert "compared:     0 records with their entries" in result.stdout
    assert "not compared: 600 records that an earlier run has compared" in result.stdout
    assert "root; an earlier run found so of 600 records, which nobody looked at now\n" in result.stdout
    log.put_event()
    log.sign()
    result = run("verify", "--store", tmp_path / "store", "--only-new")
    assert "root; 1 record compared now: each gives its entry; an earlier run" in result.stdout
    ident = list(log.events)[3]
    log.events[ident] = log.events[ident].replace(b"alert-1", b"alert-2")
    assert run("verify", "--store", tmp_path / "store", "--only-new").exit_code == 0
    assert run("verify", "--store", tmp_path / "store").exit_code == 1
