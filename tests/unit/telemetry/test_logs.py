from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator

import pytest

from app.config.settings import LoggingSettings
from app.telemetry import logs
from app.telemetry.trace import current_trace, parse_traceparent


@pytest.fixture(autouse=True)
def _root() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


def test_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(LoggingSettings(format="json"))
    logging.getLogger("app.x").warning("line one\nline %s", "two")
    [line] = lines(capsys)
    entry = json.loads(line)
    assert entry.keys() == {"time", "level", "logger", "message", "pid"}
    assert (entry["level"], entry["logger"], entry["message"]) == ("warning", "app.x", "line one\nline two")
    assert entry["time"].endswith("+00:00")


def test_every_line_names_its_request(capsys: pytest.CaptureFixture[str]) -> None:
    log = logging.getLogger("x")
    token = logs.current_request.set("rid-1")
    logs.configure(LoggingSettings(format="json"))
    log.info("a")
    logs.configure(LoggingSettings(format="console"))
    log.info("b")
    logs.current_request.reset(token)
    log.info("outside")
    first, second, third = lines(capsys)
    assert json.loads(first)["request_id"] == "rid-1"
    assert second.endswith("INFO    x [rid-1] b")
    assert third.endswith("x [-] outside")


def test_a_line_about_what_is_no_text_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(LoggingSettings(format="json"))
    logging.getLogger("x").warning("its id: %s", "\ud800")
    [line] = lines(capsys)
    assert json.loads(line)["message"] == r"its id: \ud800"


def test_what_a_request_noticed_of_the_service_is_not_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(LoggingSettings(format="json"))
    log = logs.service_log("x")
    tokens = logs.current_request.set("rid-1"), logs.current_principal.set("alice")
    trace = current_trace.set(parse_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"))
    try:
        log.info("the file has changed")
        logging.getLogger("x").info("it was refused")
    finally:
        current_trace.reset(trace)
        logs.current_principal.reset(tokens[1])
        logs.current_request.reset(tokens[0])
    of_service, of_request = map(json.loads, lines(capsys))
    assert of_service.keys() == {"time", "level", "logger", "message", "pid"}
    assert (of_request["request_id"], of_request["principal"]) == ("rid-1", "alice")


def test_exceptions_are_inside_the_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(LoggingSettings(format="json"))
    try:
        raise ValueError("what")
    except ValueError:
        logging.getLogger("x").exception("failed")
    [line] = lines(capsys)
    assert json.loads(line)["exception"].endswith("ValueError: what")


@pytest.mark.parametrize(("terminal", "is_json"), [(True, False), (False, True)])
def test_auto_is_readable_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, terminal: bool, is_json: bool
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    logs.configure(LoggingSettings())
    logging.getLogger("x").info("hello")
    assert lines(capsys)[0].startswith("{") is is_json


def test_level(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(LoggingSettings(level="warning", format="json"))
    logging.getLogger("x").info("no")
    logging.getLogger("psycopg.pool").warning("no")
    logging.getLogger("x").warning("yes")
    assert [json.loads(line)["message"] for line in lines(capsys)] == ["yes"]
