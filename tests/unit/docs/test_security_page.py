"""docs/security.md: its configuration is good, and its commands do what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from app.auth.claims import principal_of, scope_faults
from app.auth.read_limits import ReadLimits
from app.auth.static_tokens import parse_tokens
from app.config.issuers import IssuerSettings, issuers
from tests.tree import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def listed() -> tuple[IssuerSettings, ...]:
    [text] = [b for b in blocks("yaml") if "jwt_issuers" in b]
    return issuers(yaml.safe_load(text)["auth"]["jwt_issuers"])


def good(issuer: IssuerSettings) -> bool:
    return issuer.faults == () and scope_faults(issuer) == []


def test_the_issuers_of_the_page_are_good() -> None:
    staff, machines = listed()
    assert good(staff)
    assert good(machines)
    of = principal_of(machines, [staff.name_prefix, machines.name_prefix])
    assert of({"sub": "system:serviceaccount:shop:gateway"}).scopes == {"audit:write"}
    assert of({"sub": "system:serviceaccount:shop:other"}).scopes == set()


def test_the_mappings_of_the_page_mean_what_it_says() -> None:
    [text] = [b for b in blocks("yaml") if "namespaces_map" in b]
    [issuer] = issuers([{"issuer": "https://a.example", "audience": "x", **yaml.safe_load(text)}])
    assert good(issuer)
    claims: dict[str, Any] = {"sub": "me", "groups": ["team-a"], "datastorage_categories": "gateway workflow"}
    found = principal_of(issuer, [""])({**claims, "realm_access": {"roles": ["audit-operators"]}})
    assert found.reads == ReadLimits(frozenset({"team-a", "team-a-staging"}), frozenset({"gateway", "workflow"}))
    assert found.scopes == {"audit:read", "audit:write", "dlq:admin"}


def test_its_keys_are_those_that_there_are() -> None:
    table = PAGE.partition("| key | default | what it is |")[2].partition("\n\n")[0]
    named = [n.strip() for row in table.splitlines()[2:] for n in row.split("|")[1].split(",")]
    good_values = {"issuer": "https://a.example", "audience": "x"}
    for name in named:
        [made] = issuers([{**good_values, name: good_values.get(name)}])
        assert not any("there is no key" in fault for fault in made.faults), name


def test_the_commands_about_token_files(tmp_path: Path) -> None:
    create, change = (b for b in blocks("sh") if "tokens.yaml" in b and "--quiet" not in b)
    # The second token of the page is printed; here it is in the file, so that it can be taken out.
    script = create.replace("--expires 90d", "--expires 90d --append tokens.yaml") + change
    folder = Path(sys.executable).parent
    done = subprocess.run(
        ["bash", "-euc", script],
        cwd=tmp_path,
        env={"PATH": f"{folder}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "1 entry taken out of tokens.yaml." in done.stdout
    [left] = parse_tokens((tmp_path / "tokens.yaml").read_bytes()).values()
    assert left.principal.name == "gateway"
