"""Both distributions as wheels, in environments that have their requirements and no checkout.

The requirements are taken from the environment that the tests run in: no package index is asked.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import Distribution, PackageNotFoundError, PathDistribution, distribution
from pathlib import Path
from typing import NamedTuple

import pytest
from datastorage_client.installing import advice, service_advice
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from devserver.processes import Guarded
from tests.e2e.local_run import LocalRun
from tests.support import GunicornService, PostgresServer, Valkey, event
from tests.tree import ROOT

# What the two are built from.
SOURCES = (
    "LICENSE", "MANIFEST.in", "README.md", "api", "app", "devserver", "gunicorn.conf.py", "pyproject.toml", "setup.py",
    "sql", "clients/python",
)  # fmt: skip
# What is made beside the code while it is worked on.
MADE = shutil.ignore_patterns("__pycache__", "*.egg-info", "build", "dist")
RESOURCES = "app/_resources/"


def run(*command: str | Path, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """A program, as somebody runs it who has no checkout and no settings."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("DATASTORAGE_", "CONFIG_PATH", "PYTHON"))}
    return subprocess.run(
        [os.fspath(word) for word in command],
        cwd=cwd, env={**kept, **environ}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def succeed(*command: str | Path, cwd: Path, **environ: str) -> str:
    done = run(*command, cwd=cwd, **environ)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class Wheels(NamedTuple):
    service: Path
    client: Path
    service_from_sdist: Path


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Wheels:
    """Built as the image does it, from a copy: a build leaves files beside the code."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=MADE)
        else:
            shutil.copy(ROOT / name, source / name)

    def build(target: str, *sources: Path) -> list[Path]:
        options = ("--no-index", "--no-build-isolation", "--no-deps", "--wheel-dir", built / target)
        succeed(sys.executable, "-m", "pip", "wheel", "--quiet", *options, *sources, cwd=source)
        return sorted((built / target).iterdir())

    service, client = build("wheels", source, source / "clients" / "python")
    make_sdist = f"from setuptools import build_meta; build_meta.build_sdist({str(built / 'sdist')!r})"
    succeed(sys.executable, "-c", make_sdist, cwd=source)
    return Wheels(service, client, *build("from-sdist", *(built / "sdist").iterdir()))


def contents(wheel: Path) -> set[str]:
    return {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}


def files(folder: str, below: Path = ROOT) -> set[str]:
    paths = [below / folder, *(below / folder).rglob("*")]
    return {p.relative_to(below).as_posix() for p in paths if p.is_file() and "__pycache__" not in p.parts}


def test_the_service_has_all_its_files_and_no_others(wheels: Wheels) -> None:
    beside = files("sql") | {"gunicorn.conf.py", "api/openapi/data-storage-v1.yaml"}
    assert contents(wheels.service) == files("app") | files("devserver") | {RESOURCES + name for name in beside}
    assert contents(wheels.service_from_sdist) == contents(wheels.service)


def test_the_client_has_all_its_files_and_no_others(wheels: Wheels) -> None:
    source = ROOT / "clients" / "python" / "src"
    assert contents(wheels.client) == files("datastorage_client", source) | files("datastorage_common", source)


class Environment:
    """A virtual environment without pip, and nothing in it but what is put there."""

    def __init__(self, folder: Path) -> None:
        succeed(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder.parent)
        self.python = folder / "bin" / "python"
        self.command = folder / "bin" / "datastorage"
        [self.packages] = folder.glob("lib/python*/site-packages")

    def require(self, names: Iterable[str]) -> None:
        """Have the distributions that the tests themselves have; those for other systems are left out."""
        for name in names:
            try:
                found = distribution(name)
            except PackageNotFoundError:
                continue
            for file in found.files or ():
                source, target = Path(str(file.locate())), self.packages / file
                if ".." in file.parts or not source.exists() or target.exists():
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                try:
                    os.link(source, target)
                except OSError:  # another file system
                    shutil.copy(source, target)

    def install(self, *built: Path) -> None:
        pip = (sys.executable, "-m", "pip", "--python", self.python)
        cwd = self.packages
        succeed(*pip, "install", "--quiet", "--no-index", "--no-deps", "--no-compile", *built, cwd=cwd)
        # All that the wheels ask for is there, in a version that they accept.
        succeed(*pip, "check", cwd=cwd)


def locked(name: str) -> list[str]:
    """Names of the distributions in a file of requirements."""
    return re.findall(r"^([A-Za-z0-9._-]+)(?:\[.*\])?==", (ROOT / "requirements" / name).read_text(), re.MULTILINE)


def required(wheel: Path, extra: str = "") -> set[str]:
    """Names of what a wheel asks for, with one extra, and of what those ask for."""
    info = next(path for path in zipfile.Path(wheel).iterdir() if path.name.endswith(".dist-info"))
    wanted: list[tuple[Distribution, str]] = [(PathDistribution(info), extra)]
    names: set[str] = set()
    while wanted:
        of, extra = wanted.pop()
        for line in of.requires or ():
            requirement = Requirement(line)
            name = canonicalize_name(requirement.name)
            if name not in names and (requirement.marker is None or requirement.marker.evaluate({"extra": extra})):
                names.add(name)
                wanted += [(distribution(name), one) for one in ("", *requirement.extras)]
    return names


@pytest.fixture(scope="module")
def installed(wheels: Wheels, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """What `requirements/run.txt` and the two wheels make."""
    environment = Environment(tmp_path_factory.mktemp("installed") / "venv")
    environment.require(locked("run.txt"))
    environment.install(wheels.service, wheels.client)
    return environment


class InstalledService(GunicornService):
    """`datastorage serve` of an environment."""

    def __init__(self, environment: Environment, environ: dict[str, str], folder: Path) -> None:
        super().__init__(environ, folder / "log")
        self._command: list[str | Path] = [environment.command, "serve"]
        self._folder = folder

    def launch(self) -> float:
        with open(self.log, "ab") as log:
            self.process = Guarded(
                self._command, cwd=self._folder, env=self.environ, stdout=log, stderr=log, start_new_session=True
            )
        return 0.0


@pytest.fixture
def serve(installed: Environment, tmp_path: Path) -> Iterator[Callable[[dict[str, str]], InstalledService]]:
    started: list[InstalledService] = []

    def start(environ: dict[str, str]) -> InstalledService:
        started.append(InstalledService(installed, environ, tmp_path))
        started[-1].start()
        return started[-1]

    yield start
    for service in started:
        service.stop()


def test_the_service_migrates_serves_and_documents_itself(
    installed: Environment,
    serve: Callable[[dict[str, str]], InstalledService],
    postgres: PostgresServer,
    valkey: Valkey,
    tmp_path: Path,
) -> None:
    where = "import app, datastorage_client, datastorage_common; print(app.__file__)"
    assert Path(succeed(installed.python, "-c", where, cwd=tmp_path).strip()).is_relative_to(installed.packages)

    database = postgres.make_database("template0")
    environ = {
        **database.environ,
        "DATASTORAGE_DATABASE__DIRECT_URL": database.owner_url,
        "DATASTORAGE_REDIS__URL": valkey.url(1),
    }
    applied = succeed(installed.command, "migrate", cwd=tmp_path, **environ).splitlines()
    assert applied == [f"applied {path.stem}" for path in sorted((ROOT / "sql").glob("0*.sql"))]
    assert succeed(installed.command, "migrate", cwd=tmp_path, **environ) == "the schema is up to date\n"

    service = serve(environ)
    assert service.request("POST", "/api/v1/audit/events", event(correlation_id="wheel")).status == 201
    [kept] = service.request("GET", "/api/v1/audit/events?correlation_id=wheel").json["data"]
    assert kept["event_data"] == {"hello": "world"}
    assert service.request("GET", "/openapi.json").json["openapi"].startswith("3.")
    page = service.request("GET", "/docs")
    assert page.status == 200
    assets = re.findall(r'(?:src|href)="(docs/assets/[^"]+)"', page.body.decode())
    assert {"docs/assets/docs.js", "docs/assets/docs.css", "docs/assets/swagger-ui-bundle.js"} <= set(assets)
    assert [service.request("GET", f"/{asset}").status for asset in assets] == [200] * len(assets)

    told = succeed(installed.command, "events", "--url", service.url, "--correlation-id", "wheel", cwd=tmp_path)
    assert "gateway.signal.received" in told
    assert succeed(installed.command, "health", "--url", service.url, cwd=tmp_path) == '{"status":"ready"}\n'
    database.drop()


def test_the_client_alone(wheels: Wheels, tmp_path: Path) -> None:
    environment = Environment(tmp_path / "venv")
    environment.require(required(wheels.client))
    environment.install(wheels.client)
    imports = "import datastorage_client; print(datastorage_client.__file__)"
    assert Path(succeed(environment.python, "-c", imports, cwd=tmp_path).strip()).is_relative_to(environment.packages)

    refused = run(environment.command, "health", cwd=tmp_path)
    line = f"datastorage: click is not installed: {advice('click', 'cli')}\n"
    assert (refused.returncode, refused.stdout, refused.stderr) == (1, "", line)
    environment.require(required(wheels.client, "cli"))
    told = succeed(environment.command, "--help", cwd=tmp_path)
    assert re.findall(r"^  (\w+)  ", told.partition("Commands:")[2], re.MULTILINE) == [
        "dlq", "events", "export", "follow", "health", "holds", "import", "log", "verify", "workflows",
    ]  # fmt: skip
    assert "Usage: datastorage health" in succeed(environment.command, "health", "--help", cwd=tmp_path)

    for command in ("export", "follow", "holds"):
        assert f"Usage: datastorage {command}" in succeed(environment.command, command, "--help", cwd=tmp_path)
    refused = run(environment.command, "export", "--evidence", "a.zip", "--key", "a.pub", cwd=tmp_path)
    line = f"--evidence needs cryptography, which is not installed: {advice('cryptography', 'cli,verify')}"
    assert (refused.returncode, refused.stderr) == (1, f"datastorage: {line}\n")
    refused = run(environment.command, "export", "--format", "parquet", "--output", "a", cwd=tmp_path)
    line = f"--format parquet needs pyarrow, which is not installed: {advice('pyarrow', 'cli,parquet')}"
    assert (refused.returncode, refused.stderr) == (1, f"datastorage: {line}\n")

    refused = run(environment.command, "verify", "--help", cwd=tmp_path)
    line = f"verify needs cryptography, which is not installed: {advice('cryptography', 'cli,verify')}"
    assert (refused.returncode, refused.stderr) == (1, f"datastorage: {line}\n")
    environment.require(required(wheels.client, "verify"))
    assert "Usage: datastorage verify" in succeed(environment.command, "verify", "--help", cwd=tmp_path)
    refused = run(environment.command, "log", "keygen", cwd=tmp_path)
    assert (refused.returncode, "come with the service's package: the wheel datastorage" in refused.stderr) == (2, True)
    assert "Usage: datastorage log mirror" in succeed(environment.command, "log", "mirror", "--help", cwd=tmp_path)


@pytest.mark.embedded
def test_a_local_run_needs_its_extra_and_says_so(installed: Environment, wheels: Wheels, tmp_path: Path) -> None:
    """The last test of this environment: it adds to it."""
    refused = run(installed.command, "dev", cwd=tmp_path)
    line = f"datastorage: dev needs psutil, which is not installed: {service_advice('psutil', 'dev')}\n"
    assert (refused.returncode, refused.stdout, refused.stderr) == (1, "", line)

    installed.require(locked("dev.txt"))
    environ = {"DATA_DIR": str(tmp_path / "data")}
    local = LocalRun(tmp_path / "output", environ, command=[installed.command], cwd=tmp_path)
    try:
        local.ready()
        assert local.put("wheel") == 201
        assert local.count("wheel") == 1
        assert local.request("GET", "/docs").status == 200
        assert local.ctrl_c() == 0, local.text
    finally:
        local.end()
