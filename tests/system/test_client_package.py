"""The client as others get it: a wheel, installed apart from this project."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.tree import ROOT

PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]


def test_the_wheel_is_whole_and_works_alone(tmp_path: Path) -> None:
    # setuptools builds where the source is; ours stays clean.
    copy = tmp_path / "source"
    shutil.copytree(ROOT / "clients" / "python", copy, ignore=shutil.ignore_patterns("*.egg-info", "build"))
    build = [*PIP, "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(tmp_path)]
    subprocess.run([*build, str(copy)], check=True, cwd=tmp_path, timeout=120)
    [wheel] = tmp_path.glob("datastorage_client-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    source = ROOT / "clients" / "python" / "src"
    wanted = {str(p.relative_to(source)) for p in source.rglob("*.py") if p.parent.name != "__pycache__"}
    assert wanted | {"datastorage_client/py.typed"} <= names
    installed = tmp_path / "installed"
    install = [*PIP, "install", "--quiet", "--no-deps", "--target", str(installed), str(wheel)]
    subprocess.run(install, check=True, cwd=tmp_path, timeout=120)
    script = (installed / "bin" / "datastorage").read_text()
    assert "from datastorage_client.cli.main import main" in script
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import datastorage_client as c; "
        "assert c.__file__.startswith(sys.argv[1]); assert 'app' not in sys.modules; "
        "c.DataStorageClient('http://127.0.0.1:1').close()"
    )
    subprocess.run([sys.executable, "-c", code, str(installed)], check=True, cwd=tmp_path, timeout=60)
