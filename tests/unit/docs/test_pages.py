"""Every page for readers: links lead somewhere, commands and settings that are named exist, shell is shell."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from datastorage_client.cli.commands import datastorage

from app.config.settings import Settings
from tests.support import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("clients/**/README.md")])
EACH_PAGE = pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", text_of(page), flags=re.MULTILINE | re.DOTALL)


def shell(page: Path) -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```$", text_of(page), re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


def commands(page: Path, name: str) -> Iterator[list[str]]:
    """The words of each command `name …`, in the shell (also after a pipe, `--` or variables) and in the text."""
    lines = [line for block in shell(page) for line in block.replace("\\\n", " ").splitlines()]
    found = [part for line in lines for part in re.split(r"\s(?:\||&&|--)\s", line)]
    found += re.findall(rf"`({name} [^`]+)`", prose(page))
    for part in found:
        try:
            words = shlex.split(part, comments=True)
        except ValueError:
            continue  # a quoted body that goes on in the next line
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            words.pop(0)
        if words[:1] == [name]:
            yield words[1 : words.index(">")] if ">" in words else words[1:]


@EACH_PAGE
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"https?:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), target
        if anchor:
            assert anchor in anchors(there), target


def test_every_page_is_linked_to_by_another() -> None:
    linked = {
        (page.parent / target.partition("#")[0]).resolve()
        for page in PAGES
        for target in re.findall(r"\]\(([^)\s]+)\)", prose(page))
        if not re.match(r"https?:|#", target)
    }
    assert {page for page in PAGES if page.name != "README.md"} <= linked


@EACH_PAGE
def test_make_targets_exist(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z0-9-]+):", makefile, re.MULTILINE))
    variables = set(re.findall(r"\b[A-Z_]{3,}\b", makefile)) | {"PORT", "DATA_DIR", "OUTAGE_SECONDS"}
    for words in commands(page, "make"):
        target, *rest = words or ["help"]
        assert target in targets, target
        assert {word.partition("=")[0] for word in rest} <= variables, rest


@EACH_PAGE
def test_commands_of_the_service_are_as_written(page: Path) -> None:
    """Each is parsed by the command line itself, with every option that the page gives."""
    for words in commands(page, "datastorage"):
        rest = [word for word in words if word != "…"]
        # As it is called: a command remembers what it is first asked with, -h for help among it.
        context: click.Context = click.Context(datastorage, **datastorage.context_settings)
        command: click.Command = datastorage
        while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
            found = command.get_command(context, rest.pop(0))
            assert found is not None, words
            command = found
        if not isinstance(command, click.Group):
            # The options alone: what is required and whether files exist is not looked at.
            command.make_parser(click.Context(command, parent=context)).parse_args(rest)


@EACH_PAGE
def test_shell_is_shell(page: Path) -> None:
    for block in shell(page):
        checked = subprocess.run(["bash", "-n"], input=block, text=True, capture_output=True, check=False)
        assert checked.returncode == 0, checked.stderr


@EACH_PAGE
def test_settings_in_the_text_exist(page: Path) -> None:
    settings = Settings().masked()
    for section, key in re.findall(rf"`({'|'.join(settings)})\.([a-z][a-z_]+)\b(?:[:=][^`]*)?`", prose(page)):
        assert key in settings[section] or (ROOT / "app" / section / f"{key}.py").exists(), f"{section}.{key}"


@EACH_PAGE
def test_files_that_are_named_exist(page: Path) -> None:
    folders = "api|app|bench|clients|deploy|devserver|docs|loadtests|requirements|scripts|sql|tests"
    for path in re.findall(rf"(?<![\w/.-])((?:{folders})/[\w./-]+\w/?)", text_of(page)):
        made = path.startswith(("deploy/compose/secrets/", "loadtests/reports"))
        assert made or (ROOT / path).exists(), path
