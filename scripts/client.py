"""Writes the generated part of the Python client from the API document: ``python -m scripts.client``.

Everything that has a say is pinned: the document, the generator, its settings and the formatter. So the same document
gives the same files.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "api" / "openapi" / "data-storage-v1.yaml"
PACKAGE = ROOT / "clients" / "python"
GENERATED = PACKAGE / "src" / "datastorage_client" / "_generated"


def generate(target: Path) -> None:
    """Write the generated package to a folder that is not there yet. Raises CalledProcessError."""
    bin_dir = Path(sys.executable).parent
    settings = PACKAGE / "openapi-python-client.yaml"
    ruff = [str(bin_dir / "ruff")]
    # Our own rules are for what people write; these make the code plain to read, whatever pyproject.toml says.
    rules = ["--isolated", "--line-length=120", "--target-version=py311"]
    commands = [
        [str(bin_dir / "openapi-python-client"), "generate", f"--path={DOCUMENT}", f"--config={settings}",
         "--meta=none", f"--output-path={target}", "--fail-on-warning"],
        [*ruff, "check", *rules, "--quiet", "--no-cache", "--fix-only", "--select=F,I,UP,W", str(target)],
        [*ruff, "format", *rules, "--quiet", "--no-cache", str(target)],
    ]  # fmt: skip
    for command in commands:
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, "NO_COLOR": "1"})


def main() -> None:
    """Replace the generated package."""
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch) / "_generated"
        try:
            generate(made)
        except subprocess.CalledProcessError as e:
            sys.exit(f"{e.cmd[0]} failed:\n{(e.stdout + e.stderr).decode()}")
        shutil.rmtree(GENERATED, ignore_errors=True)
        shutil.copytree(made, GENERATED)
    print(f"wrote {GENERATED.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
