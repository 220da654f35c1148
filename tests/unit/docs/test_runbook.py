"""The runbook has a section for each alert, and names only commands, metrics and settings that there are."""

from __future__ import annotations

import re
import shlex

import click
import pytest
import yaml
from datastorage_client.cli.commands import datastorage

from app.config.settings import Settings
from tests.promql import alerts
from tests.support import ROOT
from tests.tree import modules

PAGE = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
SECTIONS = {m[1]: m[2] for m in re.finditer(r"^## (DataStorage\w+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)}


def test_a_section_for_each_alert() -> None:
    assert list(SECTIONS) == sorted(SECTIONS, key=list(SECTIONS).index)
    assert SECTIONS.keys() == alerts().keys()


@pytest.mark.parametrize("name", SECTIONS)
def test_each_says_all_that_is_needed_at_night(name: str) -> None:
    order = [SECTIONS[name].find(part) for part in ("**What it means.**", "**Look at.**", "**Do.**", "**It is over**")]
    assert -1 not in order
    assert order == sorted(order)


def test_links_lead_somewhere() -> None:
    anchors = {heading.lower().replace(" ", "-") for heading in re.findall(r"^## (.*)$", PAGE, re.MULTILINE)}
    links = re.findall(r"\]\(#([^)]*)\)", PAGE)
    assert len(links) > 10
    assert set(links) <= anchors


COMMANDS = sorted(
    {
        line.partition("#")[0].partition(">")[0].strip()
        for line in re.findall(r"(?<![\w./-])(datastorage [a-z][^`\n]*)", PAGE)
        if not line.startswith("datastorage is")
    }
)


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_exist(line: str) -> None:
    """Each resolves to a command whose options and arguments click accepts."""
    words = shlex.split(line)[1:]
    command: click.Command = datastorage
    context = click.Context(datastorage, info_name="datastorage")
    while isinstance(command, click.Group) and words:
        found = command.get_command(context, words[0])
        assert found is not None, line
        command, words = found, words[1:]
    options = {name for parameter in command.params for name in parameter.opts}
    for word in words:
        assert not word.startswith("-") or word in options, f"{word} in {line}"


def test_settings_exist() -> None:
    shown = Settings().masked()
    named = set(re.findall(r"`([a-z]+)\.([a-z_]+)(?::[^`]*)?`", PAGE))
    assert len(named) > 10
    for section, key in named - {("pagination", "next_cursor")}:
        assert key in shown.get(section, {}), f"{section}.{key}"


def test_reasons_and_messages_are_those_that_the_service_gives() -> None:
    """What somebody is told to look for in a log or an answer is in the code."""
    code = "".join(p.read_text(encoding="utf-8") for p in modules())
    for text in (
        *("its id is stored with different content", "parent event does not exist", "the payload is not valid"),
        *("PostgreSQL refuses the record", "PostgreSQL gave an unknown error each time", "flush failed unexpectedly"),
        "PostgreSQL takes other records, but failed at this one each time",
        *("PostgreSQL takes writes again", "PostgreSQL does not answer", "replay waits:"),
        *("dead_letters_full", "database_unavailable", "database_refuses_connections", "database_refuses_writes"),
        *("missing_rights", "schema_outdated", "redis_not_durable", "redis_evicts", "flusher_stuck"),
    ):
        assert text in code, text
        assert text in " ".join(PAGE.split()), text


def test_kubectl_shows_all_that_was_asked_for() -> None:
    """With a selector and without --tail, `kubectl logs` shows ten lines of a pod, whatever --since says."""
    lines = re.findall(r"^kubectl logs -l .*$", PAGE, re.MULTILINE)
    assert len(lines) > 5
    assert [line for line in lines if "--tail=-1" not in line] == []


def test_the_forwarded_port_is_the_services() -> None:
    values = yaml.safe_load((ROOT / "deploy" / "helm" / "datastorage" / "values.yaml").read_text(encoding="utf-8"))
    assert re.findall(r"port-forward service/datastorage 8080:(\d+)", PAGE) == [str(values["service"]["port"])]


def test_variables_are_set_on_this_page() -> None:
    """In a pod of the chart addresses and passwords are in files: no command can take them from the environment."""
    code = "".join(re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
    assert set(re.findall(r"\$\{?(DATASTORAGE_\w+)", code)) <= set(re.findall(r"export (\w+)=", code))
