"""The Dockerfile says what a deployment relies on; `make test-image` shows it by running the image."""

from __future__ import annotations

import json
import re

from tests.support import ROOT

TEXT = re.sub(r"\\\n\s*", "", re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE))
BUILD, LAST = (part for part in re.split(r"^FROM ", TEXT, flags=re.MULTILINE)[1:])


def instructions(stage: str, name: str) -> list[str]:
    return re.findall(rf"^{name} (.+)$", stage, re.MULTILINE)


def test_it_runs_as_a_number_and_signals_reach_the_service() -> None:
    [user] = instructions(LAST, "USER")
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user)
    # A list is executed as it is, without a shell that would keep the signal.
    assert json.loads(instructions(LAST, "ENTRYPOINT")[0]) == ["datastorage"]
    assert json.loads(instructions(LAST, "CMD")[0]) == ["serve"]
    [check] = instructions(LAST, "HEALTHCHECK")
    assert json.loads(check.partition("CMD ")[2]) == ["datastorage", "health", "--live"]


def test_any_user_can_read_it_and_nobody_but_root_write_it() -> None:
    [copied] = [run for run in instructions(BUILD, "RUN") if "chmod" in run]
    # The last of the stage: what comes after would have the modes of the clone, or of the builder's umask.
    assert copied.endswith("&& chmod -R u=rwX,go=rX /opt/venv /opt/service")
    assert instructions(BUILD, "RUN")[-1] == copied
    assert BUILD.rindex("COPY ") < BUILD.index("chmod -R")
    assert {line.split()[-1] for line in instructions(LAST, "COPY")} == {"/opt/venv"}
    assert "--chown" not in TEXT
    assert "--chmod" not in TEXT


def test_what_is_installed_is_locked() -> None:
    [installs] = [run for run in instructions(BUILD, "RUN") if "-r requirements/${REQUIREMENTS}.txt" in run]
    assert "ARG REQUIREMENTS=run\n" in BUILD
    assert installs.count("--require-hashes") == 2
    assert "--no-build-isolation" in installs
    assert "install" not in " ".join(instructions(LAST, "RUN"))


def test_an_image_that_sends_traces_has_the_same_and_what_that_takes() -> None:
    run, tracing = (
        set(re.findall(r"^\S+==\S+", (ROOT / "requirements" / f"{name}.txt").read_text(), re.MULTILINE))
        for name in ("run", "tracing")
    )
    assert run < tracing
    assert {pin.partition("==")[0] for pin in tracing - run} >= {"opentelemetry-sdk", "protobuf"}


def test_the_service_is_installed_as_wheels_and_nothing_else_is_copied() -> None:
    [installs] = [run for run in instructions(BUILD, "RUN") if "pip wheel" in run]
    for step in ("pip wheel", "pip install"):
        [words] = [words for words in installs.split(" && ") if words.startswith(step)]
        assert {"--no-index", "--no-deps"} <= set(words.split())
        assert " -e " not in words
    sources = {line.split()[-2] for line in instructions(LAST, "COPY")}
    assert sources == {"/opt/venv", "/opt/service"}
    assert all("--from=build" in line for line in instructions(LAST, "COPY"))
    assert "devserver" not in TEXT


def test_it_listens_everywhere_and_so_demands_an_auth_mode() -> None:
    [environ] = instructions(LAST, "ENV")
    assert "DATASTORAGE_SERVER__HOST=0.0.0.0" in environ
    assert "ALLOW_ANONYMOUS" not in TEXT


def test_the_context_holds_what_is_copied_and_nothing_else() -> None:
    admitted = {line[1:].rstrip("/") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"}
    copied = {
        source.rstrip("/")
        for line in instructions(BUILD, "COPY")
        for source in line.split()[:-1]
        if not source.startswith("--")
    }
    assert admitted - {source.split("/")[0] for source in copied} - copied == {"scripts/containers"}
    assert all(source in admitted or source.split("/")[0] in admitted for source in copied)
    assert all((ROOT / name).exists() for name in copied)
