"""Writes the generated parts of the Python client: ``python -m scripts.client``.

The models and operations come from the API document by openapi-python-client, whose hundred files are put together into
two; `client.py` comes from `aio.py`. Everything that has a say is pinned: the document, the generator, its settings and
the formatter. So the same sources give the same files.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "api" / "openapi" / "data-storage-v1.yaml"
PACKAGE = ROOT / "clients" / "python"
CLIENT = PACKAGE / "src" / "datastorage_client"
# Whose operations the client can call: what answers with JSON.
_TAGS = ("audit", "dlq", "holds", "log", "workflows")
_HEADER = '''"""{}: written by `make client` from api/openapi/data-storage-v1.yaml."""

from __future__ import annotations
'''
_UNSET = '''
class Unset:
    """A member that is not there."""

    def __bool__(self) -> Literal[False]:
        return False


UNSET: Unset = Unset()
'''
# From asyncio to threads, in this order.
_SYNC = (
    ('"""The client for asyncio."""', '"""The client for threads: written by `make client` from aio.py."""'),
    ("Speaks to one service from asyncio: use it in one event loop, and close it there.",
     "Speaks to one service; any number of threads may share it, and it lives through a fork."),
    ("what gives one (or a coroutine function);", "what gives one;"),
    ("async with", "with"),
    ("            for row in rows:\n                yield row\n", "            yield from rows\n"),
    ("async for", "for"),
    ("async def", "def"),
    ("await ", ""),
    ("AsyncIterator", "Iterator"),
    ("AsyncClient", "Client"),
    ("AsyncDataStorageClient", "DataStorageClient"),
    ("AsyncToken", "Token"),
    ("AsyncExport", "Export"),
    ("AsyncFeedFollower", "FeedFollower"),
    ("AsyncStop", "Stop"),
    ("make_async_http", "make_http"),
    ("__aenter__", "__enter__"),
    ("__aexit__", "__exit__"),
    ("aclose", "close"),
)  # fmt: skip


def generate() -> dict[Path, str]:
    """The text of each generated file. Raises CalledProcessError."""
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch) / "made"
        settings = PACKAGE / "openapi-python-client.yaml"
        _run("openapi-python-client", "generate", f"--path={DOCUMENT}", f"--config={settings}", "--meta=none",
             f"--output-path={made}", "--fail-on-warning")  # fmt: skip
        generated = CLIENT / "_generated"
        texts = {
            generated / "__init__.py": '"""What `make client` makes of the API document."""\n',
            generated / "models.py": _models(sorted((made / "models").glob("[a-z]*.py"))),
            generated / "operations.py": _operations(
                path for tag in _TAGS for path in sorted((made / "api" / tag).glob("[a-z]*.py"))
            ),
            CLIENT / "client.py": _sync((CLIENT / "aio.py").read_text(encoding="utf-8")),
        }
        found = {}
        for number, (path, text) in enumerate(texts.items()):
            found[path] = _formatted(text, Path(scratch) / f"{number}.py")
        return found


def _models(paths: Iterable[Path]) -> str:
    """One module of all models, enumerations first: members have them as defaults."""
    imports: set[str] = {"from typing import Literal, Self"}
    enumerations, models, names = [], [], ["UNSET", "Unset"]
    for path in paths:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        imports |= _absolute_imports(tree)
        for node in (n for n in tree.body if isinstance(n, ast.ClassDef)):
            text = ast.get_source_segment(path.read_text(encoding="utf-8"), node) or ""
            decorators = [f"@{ast.unparse(d)}\n" for d in node.decorator_list]
            text = re.sub(r"^ +from \.\.models\.\w+ import .*\n", "", text, flags=re.MULTILINE)
            text = text.replace("cls: type[T], ", "cls, ").replace(") -> T:", ") -> Self:")
            (models if decorators else enumerations).append("".join(decorators) + text)
            names.append(node.name)
    exported = f"__all__ = {sorted(names)!r}\n"
    parts = [_HEADER.format("The models of the API"), *sorted(imports), _UNSET, *enumerations, *models, exported]
    return "\n\n".join(parts)


def _operations(paths: Iterable[Path]) -> str:
    """One class an operation: the request that it makes of its arguments, and what it makes of an answer."""
    imports: set[str] = set()
    models, classes, names = {"UNSET", "Unset"}, [], []
    for path in paths:
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
        imports |= _absolute_imports(tree)
        for node in tree.body:
            if isinstance(node, ast.ImportFrom) and node.level and str(node.module).startswith("models."):
                models |= {alias.name for alias in node.names}
        functions = {n.name: n for n in tree.body if isinstance(n, ast.FunctionDef)}
        description = str(ast.get_docstring(functions["sync_detailed"])).partition("\n")[0]
        request, answer = functions["_get_kwargs"], functions["_parse_response"]
        request.name, answer.name = "request", "answer"
        # Another answer than 2xx does not come here.
        tests = [node for node in answer.body if isinstance(node, ast.If)]
        good = [node for node in tests if re.search(r" == 2\d\d$", ast.unparse(node.test))]
        # A stream is no model: it is read as it comes.
        good = [node for node in good if "File(" not in ast.unparse(node)]
        answer.body = [*good, ast.Return(ast.Constant(None))]
        answer.args = ast.parse("def f(response: httpx.Response): ...").body[0].args  # type: ignore[attr-defined]
        answer.returns = ast.Name("Any")
        methods = [f"@staticmethod\n{ast.unparse(function)}" for function in (request, answer)]
        body = re.sub("^(?=.)", "    ", "\n\n".join(methods), flags=re.MULTILINE)
        classes.append(f'class {path.stem}:\n    """{description}."""\n\n{body}')
        names.append(path.stem)
    imports.add(f"from datastorage_client._generated.models import {', '.join(sorted(models))}")
    exported = f"__all__ = {sorted(names)!r}\n"
    return "\n\n".join([_HEADER.format("The operations of the API"), *sorted(imports), *classes, exported])


def _absolute_imports(tree: ast.Module) -> set[str]:
    return {
        ast.unparse(node)
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        and not getattr(node, "level", 0)
        and getattr(node, "module", "") != "__future__"
    }


def _sync(text: str) -> str:
    for asynchronous, plain in _SYNC:
        text = text.replace(asynchronous, plain)
    return text


def _formatted(text: str, path: Path) -> str:
    # Our own rules are for what people write; these make the code plain to read, whatever pyproject.toml says.
    rules = ("--isolated", "--line-length=120", "--target-version=py311")
    path.write_text(text, encoding="utf-8")
    known = ("--config=lint.isort.known-third-party=['datastorage_common']",
             "--config=lint.isort.known-first-party=['datastorage_client']")  # fmt: skip
    _run("ruff", "check", *rules, *known, "--quiet", "--no-cache", "--fix-only", "--select=F,I,UP,W,PIE", str(path))
    _run("ruff", "format", *rules, "--quiet", "--no-cache", str(path))
    return path.read_text(encoding="utf-8")


def _run(program: str, *arguments: str) -> None:
    command = [str(Path(sys.executable).parent / program), *arguments]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "NO_COLOR": "1"})


def main() -> None:
    """Write the generated files."""
    try:
        made = generate()
    except subprocess.CalledProcessError as e:
        sys.exit(f"{e.cmd[0]} failed:\n{(e.stdout + e.stderr).decode()}")
    for path, text in made.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
