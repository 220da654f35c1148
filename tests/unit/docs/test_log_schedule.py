"""The CronJob of docs/operate.md is one that Kubernetes takes, and its commands are ones that there are."""

from __future__ import annotations

import re

import click
import kubernetes_validate
import pytest
import yaml
from datastorage_client.cli.commands import datastorage

from tests.helm import CHART, KUBERNETES, Manifest
from tests.support import ROOT

SECTION = (
    (ROOT / "docs" / "operate.md")
    .read_text(encoding="utf-8")
    .partition("\n## Checking the log by schedule\n")[2]
    .partition("\n## ")[0]
)


def cron_job() -> Manifest:
    [text] = re.findall(r"^```yaml\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL)
    return dict(yaml.safe_load(text))


def command(words: list[str]) -> click.Command:
    """The command that takes these words, each option among them."""
    context = click.Context(datastorage)
    found: click.Command = datastorage
    while isinstance(found, click.Group):
        name, *words = words
        next_one = found.get_command(context, name)
        assert next_one is not None, name
        found = next_one
    found.make_parser(click.Context(found)).parse_args(words)
    return found


def test_it_is_what_kubernetes_takes() -> None:
    kubernetes_validate.validate(cron_job(), KUBERNETES, strict=True)


def test_it_runs_the_chart_s_release_and_mounts_what_it_reads() -> None:
    spec = cron_job()["spec"]["jobTemplate"]["spec"]
    pod = spec["template"]["spec"]
    [container] = pod["containers"]
    assert container["image"].rpartition(":")[2] == yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    folders = tuple(mount["mountPath"] for mount in container["volumeMounts"])
    paths = [word for word in container["args"] if word.startswith("/")] + [container["env"][1]["value"]]
    assert len(paths) == 3
    assert all(path.startswith(folders) for path in paths)


def test_what_was_found_fails_at_once_and_an_outage_is_tried_again() -> None:
    spec = cron_job()["spec"]["jobTemplate"]["spec"]
    [rule] = spec["podFailurePolicy"]["rules"]
    [container] = spec["template"]["spec"]["containers"]
    assert rule == {
        "action": "FailJob",
        "onExitCodes": {"containerName": container["name"], "operator": "In", "values": [1, 2]},
    }
    assert spec["template"]["spec"]["restartPolicy"] == "Never"
    told = dict(re.findall(r"^\| (\d) \| ([^|]*) \|$", SECTION, re.MULTILINE))
    assert sorted(told) == ["0", "1", "2", "3"]


def test_its_environment_is_that_of_the_command() -> None:
    [container] = cron_job()["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    known = {name for parameter in command(container["args"]).params for name in [parameter.envvar] if name}
    assert {variable["name"] for variable in container["env"]} <= known


@pytest.mark.parametrize("words", re.findall(r"`args: \[([^\]]*)\]`", SECTION))
def test_the_other_arguments_are_those_of_a_command(words: str) -> None:
    assert command(words.split(", ")).name == "mirror"
