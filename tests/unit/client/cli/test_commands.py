"""`datastorage` as a whole: the commands of every installed package, and what is imported when."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint

import click
import pytest
from click.testing import CliRunner, Result
from datastorage_client.cli import commands as installed
from datastorage_client.cli.commands import datastorage
from datastorage_client.cli.help import HELP

from app.cli import help as service_help

CLONE = "pip install './clients/python[%s]' in a clone, else pip install"


def every_command(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command that can be called, as the words that call it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            if command.invoke_without_command:
                yield (*path, name)
            yield from every_command(command, (*path, name))
        else:
            yield (*path, name)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(datastorage, list(arguments), terminal_width=100, prog_name="datastorage")


@pytest.mark.parametrize("words", list(every_command(datastorage)), ids=" ".join)
def test_every_help_has_an_example(words: tuple[str, ...]) -> None:
    own = run(*words, "--help")
    assert own.exit_code == 0
    assert run(*words, "-h").output == own.output
    # Commands that belong together may have theirs at the group.
    helps = [own.output, run(*words[:-1], "--help").output]
    examples = " ".join(" ".join(text.partition("Example")[2].split()) for text in helps)
    assert f"datastorage {' '.join(words)}" in examples


def test_the_help_lists_the_commands_of_both_packages() -> None:
    output = run("--help").output
    lines = {**HELP, **service_help.HELP}
    assert sorted(lines) == datastorage.list_commands(click.Context(datastorage))
    for name, text in lines.items():
        assert name in output
        assert text in output
    assert run("nope").exit_code == 2


def test_version(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("--version").output == f"datastorage, version {importlib.metadata.version('datastorage')}\n"

    def client_alone(name: str) -> str:
        if name == "datastorage":
            raise importlib.metadata.PackageNotFoundError(name)
        return f"that of {name}"

    monkeypatch.setattr(installed, "version", client_alone)
    assert run("--version").output == "datastorage, version that of datastorage-client\n"


def test_commands_are_loaded_when_they_are_used() -> None:
    """Progress bars, HTTP clients and embedded servers are no cost of `datastorage serve`."""
    program = (
        "import sys; from importlib.metadata import entry_points; from datastorage_client.cli import commands, main; "
        "late = {found.module for found in entry_points(group='datastorage.commands')} "
        "| {'rich', 'flask', 'httpx', 'attrs', 'devserver'}; "
        "print(sorted(late & set(sys.modules)), len(late) > 12)"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert shown.stdout.strip() == "[] True", shown


@pytest.mark.parametrize(
    ("module", "command", "line"),
    [
        (
            "rich",
            "events",
            f"events needs rich, which is not installed: {CLONE % 'cli'} rich",
        ),
        (
            "click",
            "events",
            f"click is not installed: {CLONE % 'cli'} click",
        ),
        (
            "click",
            "verify",
            f"click is not installed: {CLONE % 'cli,verify'} click",
        ),
        (
            "cryptography",
            "verify",
            f"verify needs cryptography, which is not installed: {CLONE % 'cli,verify'} cryptography",
        ),
    ],
)
def test_a_missing_package_is_one_line(module: str, command: str, line: str) -> None:
    program = (
        f"import sys; sys.modules[{module!r}] = None; from datastorage_client.cli.main import main; "
        f"sys.argv = ['datastorage', {command!r}]; main()"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (shown.returncode, shown.stdout, shown.stderr) == (1, "", f"datastorage: {line}\n")


def test_a_command_that_needs_an_extra_of_the_service_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    [dev] = importlib.metadata.entry_points(group="datastorage.commands", name="dev")

    def lacking(entry_point: EntryPoint) -> None:
        raise ModuleNotFoundError("No module named 'psutil'", name="psutil")

    monkeypatch.setattr(EntryPoint, "load", lacking)
    result = run(dev.name)
    assert result.exit_code == 1
    said = "datastorage: dev needs psutil, which is not installed: "
    assert result.stderr == (f"{said}pip install ./clients/python '.[dev]' in a clone, else pip install psutil\n")
