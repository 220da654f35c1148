"""Everything of gunicorn that the server stands on. An upgrade that moves something fails here and says what.

The lists are complete: what app/server uses and they do not name fails as well.
"""

from __future__ import annotations

import ast
import inspect
import os
import runpy
import signal
import socket
import textwrap
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn import arbiter, config, glogging, sock, util
from gunicorn.http import errors, message, wsgi
from gunicorn.workers import base

from app.server.heads import Request
from app.server.log import Log
from app.server.sockets import Ipv6Socket, share_ports
from app.server.worker import Worker
from tests.support import ROOT
from tests.tree import modules

SERVER = ROOT / "app" / "server"

# What is imported, and where to.
IMPORTED = {
    "gunicorn.arbiter.Arbiter": "room.py turns.py",
    "gunicorn.glogging.Logger": "log.py",
    "gunicorn.http.errors": "heads.py",
    "gunicorn.http.message.Request": "heads.py",
    "gunicorn.http.wsgi": "request_threads.py",
    "gunicorn.sock": "sockets.py",
    "gunicorn.workers.base": "worker.py",
}
# What is used of imported modules.
OF_MODULES: dict[str, set[str]] = {
    "base": {"Worker"},
    "wsgi": {"create"},
    "gunicorn_sock": {"TCP6Socket"},
    "errors": {
        *("ParseException", "NoMoreData", "InvalidHeader", "UnsupportedTransferCoding", "ExpectationFailed"),
        *("LimitRequestHeaders", "LimitRequestLine"),
    },
}
# What is used, set or overridden of gunicorn's classes.
OF_CLASSES: dict[type, set[str]] = {
    base.Worker: {
        *("alive", "cfg", "log", "notify", "ppid", "sockets", "wsgi"),
        *("run", "handle_exit", "handle_quit"),  # overridden
    },
    message.Request: {
        *("headers", "version", "path", "method", "must_close", "force_close", "body", "_expected_100_continue"),
        *("set_body_reader", "should_close"),  # overridden
    },
    wsgi.Response: {"start_response", "write", "close", "should_close", "sent", "response_length", "status_code"},
    glogging.Logger: {"setup", "error_log", "info", "warning", "error", "exception"},
    sock.TCP6Socket: {"bind"},  # overridden
    arbiter.Arbiter: {"spawn_worker", "manage_workers", "log"},  # the first two are replaced
}
# Of gunicorn's settings, in code; those that gunicorn.conf.py sets are found there.
SETTINGS = {"keepalive", "threads", "worker_connections"}
# What the code calls an object of each of these classes, besides `self` in a class that is derived from it.
CALLED: dict[type, set[str]] = {
    base.Worker: set(),
    message.Request: {"request"},
    wsgi.Response: {"response"},
    glogging.Logger: {"self.log", "self._log"},
    sock.TCP6Socket: set(),
    arbiter.Arbiter: {"arbiter"},
}
DERIVED: dict[str, type] = {
    "base.Worker": base.Worker,
    "GunicornRequest": message.Request,
    "Logger": glogging.Logger,
    "gunicorn_sock.TCP6Socket": sock.TCP6Socket,
}
HOOKS: dict[str, tuple[str, ...]] = {
    "on_starting": ("server",),
    "pre_fork": ("server", "worker"),
    "post_fork": ("server", "worker"),
    "post_worker_init": ("worker",),
    "child_exit": ("server", "worker"),
    "worker_exit": ("server", "worker"),
    "on_exit": ("server",),
}


def of_class(kind: type) -> set[str]:
    """All that gunicorn's own code gives to a class's objects: methods, class attributes, and what is set on self."""
    found: set[str] = set()
    for each in kind.__mro__:
        if each.__module__.startswith("gunicorn"):
            found |= {name for name in vars(each) if not name.startswith("__")}
            for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(each)))):
                if (
                    isinstance(node, ast.Attribute)
                    and isinstance(node.ctx, ast.Store)
                    and ast.unparse(node.value) == "self"
                ):
                    found.add(node.attr)
    return found


def parameters(function: Any) -> list[str]:
    return list(inspect.signature(function).parameters)


def moved(what: str, where: str) -> str:
    return f"gunicorn has no {what} any more, or not in this form: used in {where}"


# --- the lists are complete ---------------------------------------------------------------------------------

FILES = {path.name: ast.parse(path.read_text()) for path in sorted(SERVER.glob("*.py"))}


def imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "gunicorn":
            yield from (f"{node.module}.{name.name}" for name in node.names)
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.split(".")[0] == "gunicorn")


def test_all_imports_are_listed() -> None:
    found: dict[str, str] = {}
    for file, tree in FILES.items():
        for name in imports(tree):
            found[name] = f"{found[name]} {file}" if name in found else file
    assert found == IMPORTED, "list what app/server imports of gunicorn, and assert below what it takes from there"


def test_the_rest_of_the_service_imports_nothing_of_gunicorn() -> None:
    for path in modules():
        if SERVER not in path.parents:
            assert not list(imports(ast.parse(path.read_text()))), (
                f"{path}: what touches gunicorn belongs to app/server"
            )


def test_all_that_is_used_of_modules_is_listed() -> None:
    found: dict[str, set[str]] = {name: set() for name in OF_MODULES}
    for tree in FILES.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) in found:
                found[ast.unparse(node.value)].add(node.attr)
    assert found == OF_MODULES


def used_of_classes(tree: ast.Module) -> Iterator[tuple[type, str]]:
    """Attributes that gunicorn's classes have and the code uses, of objects by their names in it."""
    known = {kind: of_class(kind) for kind in OF_CLASSES}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            for kind, names in CALLED.items():
                if ast.unparse(node.value) in names and node.attr in known[kind]:
                    yield kind, node.attr
        if isinstance(node, ast.ClassDef):
            for parent in map(ast.unparse, node.bases):
                if (derived := DERIVED.get(parent)) is not None:
                    for name in names_in(node):
                        if name in known[derived]:
                            yield derived, name


def names_in(node: ast.ClassDef) -> Iterator[str]:
    for each in ast.walk(node):
        if isinstance(each, ast.Attribute) and ast.unparse(each.value) in ("self", "super()"):
            yield each.attr
        elif isinstance(each, ast.FunctionDef):
            yield each.name
        elif isinstance(each, ast.AnnAssign | ast.Assign) and each in node.body:
            targets = [each.target] if isinstance(each, ast.AnnAssign) else each.targets
            yield from (target.id for target in targets if isinstance(target, ast.Name))


def test_all_that_is_used_of_classes_is_listed() -> None:
    found: dict[type, set[str]] = {kind: set() for kind in OF_CLASSES}
    for tree in FILES.values():
        for kind, name in used_of_classes(tree):
            found[kind].add(name)
    for kind, names in OF_CLASSES.items():
        assert found[kind] == names, f"of {kind.__module__}.{kind.__name__}, on the left what app/server uses"


def test_names_of_the_servers_own_are_none_of_gunicorns() -> None:
    """A method or attribute that gunicorn gets one day must not be overridden by accident."""
    for own, kind in (
        (Worker, base.Worker),
        (Request, message.Request),
        (Log, glogging.Logger),
        (Ipv6Socket, DERIVED["gunicorn_sock.TCP6Socket"]),
    ):
        names = {name for name in vars(own) if not name.startswith("__")}
        assert names & of_class(kind) <= OF_CLASSES[kind]


def test_all_settings_that_are_read_are_listed() -> None:
    found = {
        node.attr
        for tree in FILES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("self.cfg", "cfg", "conn.cfg")
    }
    assert found == SETTINGS
    for name in SETTINGS:
        assert isinstance(getattr(config.Config(), name), int), moved(f"setting {name}", "app/server/worker.py")


# --- they are there -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", OF_CLASSES, ids=lambda kind: kind.__name__)
def test_the_classes_have_what_is_used(kind: type) -> None:
    for name in OF_CLASSES[kind] - {"wsgi"}:
        assert name in of_class(kind), moved(f"{kind.__module__}.{kind.__name__}.{name}", "app/server")


def test_the_errors_are_what_they_were() -> None:
    for name in OF_MODULES["errors"]:
        assert hasattr(errors, name), moved(f"gunicorn.http.errors.{name}", "app/server/heads.py")
    for name in OF_MODULES["errors"] - {"NoMoreData", "ParseException"}:
        assert issubclass(getattr(errors, name), errors.ParseException), moved(
            f"{name} among ParseException", "heads.py"
        )
    assert not issubclass(errors.NoMoreData, errors.ParseException), "caught beside ParseException in heads.py"
    for kind in (errors.InvalidHeader, errors.UnsupportedTransferCoding):
        assert str(kind("X")), moved(f"{kind.__name__}(header)", "app/server/heads.py raises it with a header's name")
    for name, kind in vars(errors).items():
        if isinstance(kind, type) and issubclass(kind, Exception) and name.startswith(("Invalid", "Limit", "Obsolete")):
            assert issubclass(kind, errors.ParseException | OSError), f"{name}: heads.parse would let it through"


# --- the worker ---------------------------------------------------------------------------------------------


def made_worker(kind: type, sockets: list[socket.socket], app: Any, cfg: Any, log: Any) -> Any:
    return kind(1, os.getpid(), sockets, app, 60, cfg, log)


class Quiet:
    """Enough of a log for a worker."""

    def close_on_exec(self) -> None:
        """There is no file."""


def test_a_worker_is_made_with_what_the_tests_and_the_master_give_it() -> None:
    expected = ["self", "age", "ppid", "sockets", "app", "timeout", "cfg", "log"]
    assert parameters(base.Worker.__init__) == expected, moved(
        "Worker(age, ppid, …)", "tests/unit/server/test_worker.py"
    )
    cfg, log, sockets = config.Config(), Quiet(), [socket.socket()]
    with sockets[0]:
        worker = made_worker(Worker, sockets, None, cfg, log)
        assert worker.alive is True, moved("Worker.alive", "app/server/worker.py")
        assert (worker.cfg, worker.log, worker.sockets, worker.ppid) == (cfg, log, sockets, os.getpid())
        assert parameters(base.Worker.notify) == ["self"]
        worker.notify()


def test_what_a_worker_process_does_first_and_in_which_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signals can come from then on; the application is there before the hook that begins, and run() is the last."""
    done: list[str] = []

    class App:
        def wsgi(self) -> Any:
            done.append("load_wsgi")
            return self

    class Process(base.Worker):  # type: ignore[misc]
        def init_signals(self) -> None:
            done.append("init_signals")

        def run(self) -> None:
            done.append("run")

    cfg, app = config.Config(), App()
    cfg.set("post_worker_init", lambda worker: done.append("post_worker_init" if worker.wsgi is app else "no wsgi"))
    monkeypatch.setattr(util, "set_owner_process", lambda *_, **__: None)
    worker = made_worker(Process, [], app, cfg, Quiet())
    worker.init_process()
    for end in worker.PIPE:
        os.close(end)
    assert done == ["init_signals", "load_wsgi", "post_worker_init", "run"], (
        "gunicorn's Worker.init_process has another order: worker.py (begin, run) and gunicorn.conf.py rely on it"
    )


def test_signals_reach_the_methods_that_are_overridden() -> None:
    source = inspect.getsource(base.Worker.init_signals)  # to call it would change this process's
    for line in (
        "signal.signal(signal.SIGQUIT, self.handle_quit)",
        "signal.signal(signal.SIGTERM, self.handle_exit)",
        "signal.signal(signal.SIGINT, self.handle_quit)",
    ):
        assert line in source, moved(line, "app/server/worker.py: handle_exit and handle_quit")
    for name in ("handle_exit", "handle_quit"):
        assert parameters(getattr(base.Worker, name)) == parameters(getattr(Worker, name)) == ["self", "sig", "frame"]


# --- requests -----------------------------------------------------------------------------------------------


class Reader:
    """What a request is read from; remembers how."""

    def __init__(self, *parts: bytes) -> None:
        self.parts = list(parts)
        self.calls: list[str] = []
        self.given_back = b""

    def read(self, *arguments: Any) -> bytes:
        self.calls.append("read" + str(arguments or ""))
        return self.parts.pop(0) if self.parts else b""

    def unread(self, data: bytes) -> None:
        self.calls.append("unread")
        self.given_back = bytes(data) + self.given_back


HEAD = b"POST /a?b HTTP/1.1\r\nHost: here\r\nX-Y: z\r\nExpect: 100-continue\r\n\r\n"


@pytest.mark.parametrize("parser", ["python", "fast"])
def test_how_gunicorns_parser_reads_a_head(parser: str) -> None:
    assert parameters(message.Request.__init__) == ["self", "cfg", "unreader", "peer_addr", "req_number"], moved(
        "Request(cfg, unreader, peer_addr)", "app/server/heads.py"
    )
    cfg = config.Config()
    cfg.set("http_parser", parser)
    seen: list[Any] = []

    class Parsed(message.Request):  # type: ignore[misc]
        def set_body_reader(self) -> None:
            seen.append((self.version, list(self.headers), self._expected_100_continue, self.must_close))

    reader = Reader(HEAD + b"rest")
    request = Parsed(cfg, reader, ("127.0.0.1", 1))
    assert set(reader.calls) == {"read", "unread"}, moved("unreader.read() and unread(data)", "heads.py: _Arrived")
    assert reader.given_back == b"rest", moved("the rest given back", "heads.py: parse looks whether there is one")
    headers = [("HOST", "here"), ("X-Y", "z"), ("EXPECT", "100-continue")]
    assert seen == [((1, 1), headers, True, False)], moved(
        "set_body_reader() once the head is parsed", "heads.py: Request"
    )
    assert (request.method, request.path, request.query) == ("POST", "/a", "b")
    request.force_close()
    assert request.must_close is True, moved("force_close() that sets must_close", "heads.py: should_close")
    for data, error in ((b"", StopIteration), (HEAD[:-2], errors.NoMoreData)):
        with pytest.raises(error):
            Parsed(cfg, Reader(data), ("127.0.0.1", 1))


# --- answers ------------------------------------------------------------------------------------------------


class Recorder:
    """Takes an answer, and nothing else of a socket is there."""

    def __init__(self) -> None:
        self.sent = b""

    def sendall(self, data: bytes) -> None:
        self.sent += data


def answered(should_close: Any, *parts: bytes, length: int | None = None) -> tuple[Any, dict[str, Any], bytes]:
    class Parsed(message.Request):  # type: ignore[misc]
        def set_body_reader(self) -> None:
            self._expected_100_continue = False

        def should_close(self) -> bool:
            return bool(should_close())

    sock = Recorder()
    request = Parsed(config.Config(), Reader(HEAD), ("127.0.0.1", 1))
    request.body = body = object()
    response, environ = wsgi.create(request, sock, ("127.0.0.1", 1), ("127.0.0.1", 2), config.Config())
    assert environ["wsgi.input"] is body, moved("request.body as wsgi.input", "worker.py: _respond")
    assert sock.sent == b"", "nothing is sent for a request that expects nothing (heads.py takes the expectation away)"
    response.start_response("200 OK", [("Content-Length", str(length))] if length is not None else [])
    for part in parts:
        response.write(part)
    response.close()
    return response, environ, sock.sent


def test_how_an_answer_is_made() -> None:
    assert parameters(wsgi.create)[:5] == ["req", "sock", "client", "server", "cfg"], moved(
        "create(…)", "worker.py: _respond"
    )
    assert all(
        each.default is not inspect.Parameter.empty
        for each in list(inspect.signature(wsgi.create).parameters.values())[5:]
    )
    response, environ, sent = answered(lambda: False, b"he", b"llo", length=5)
    assert type(response) is wsgi.Response
    assert sent.endswith(b"\r\n\r\nhello"), moved(
        "Response that uses only its socket's sendall", "connections.py: Answer"
    )
    assert b"\r\nConnection: keep-alive\r\n" in sent
    assert response.should_close() is False
    assert "wsgi.multithread" in environ, moved("environ['wsgi.multithread']", "worker.py: _respond")
    assert (environ["PATH_INFO"], environ["QUERY_STRING"], environ["REMOTE_ADDR"]) == ("/a", "b", "127.0.0.1")


def test_an_answer_without_a_length_is_sent_in_chunks_by_sendall_alone() -> None:
    _, _, sent = answered(lambda: False, b"hello")
    assert sent.endswith(b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n")


def test_whether_the_connection_stays_is_asked_when_the_head_is_written() -> None:
    asked: list[bool] = []

    def should_close() -> bool:
        asked.append(True)
        return True

    response, _, sent = answered(should_close, b"x", length=1)
    assert asked, moved("Response that asks its request's should_close()", "heads.py: Request.should_close")
    assert b"\r\nConnection: close\r\n" in sent
    assert response.should_close() is True


def test_force_close_counts_until_the_head_is_written() -> None:
    """The worker says it after the application was called."""
    sock = Recorder()
    request = message.Request(config.Config(), Reader(HEAD.replace(b"Expect: 100-continue\r\n", b"")), ("127.0.0.1", 1))
    response, _ = wsgi.create(request, sock, ("127.0.0.1", 1), ("127.0.0.1", 2), config.Config())
    response.start_response("200 OK", [("Content-Length", "1")])
    assert sock.sent == b"", moved("a head that is written with the first part", "worker.py: _respond")
    request.force_close()
    response.write(b"x")
    assert b"\r\nConnection: close\r\n" in sock.sent


# --- the log ------------------------------------------------------------------------------------------------


def test_gunicorns_log() -> None:
    assert parameters(glogging.Logger.setup) == ["self", "cfg"], moved("Logger.setup(cfg)", "app/server/log.py")
    found: list[Any] = []

    class Dressed(glogging.Logger):  # type: ignore[misc]
        def setup(self, cfg: Any) -> None:
            super().setup(cfg)
            found.extend(self.error_log.handlers)

    before = list(glogging.logging.getLogger("gunicorn.error").handlers)
    made = Dressed(config.Config())
    try:
        assert found, moved("Logger.error_log with its handlers once it is set up", "app/server/log.py, worker.py")
        for name in ("info", "warning", "error", "exception"):
            assert parameters(getattr(made, name)) == ["msg", "args", "kwargs"], moved(f"Logger.{name}", "app/server")
    finally:
        made.error_log.handlers[:] = before


# --- gunicorn.conf.py ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def conf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path_factory.mktemp("metrics")))
        patch.setenv("DATASTORAGE_SERVER__WORKERS", "2")
        patch.setenv("_METRICS_DIR_OF", str(os.getpid()))
        yield runpy.run_path(str(ROOT / "gunicorn.conf.py"))


def names_in_conf() -> set[str]:
    """What the file sets at its top level, but for its own."""
    found: set[str] = set()
    for node in ast.parse((ROOT / "gunicorn.conf.py").read_text()).body:
        if isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.FunctionDef):
            found.add(node.name)
    return {name for name in found if not name.startswith("_")}


def test_every_setting_exists_and_takes_its_value(conf: dict[str, Any]) -> None:
    known = {setting.name for setting in config.KNOWN_SETTINGS}
    cfg = config.Config()
    for name in sorted(names_in_conf()):
        assert name in known, moved(f"setting {name}", "gunicorn.conf.py")
        cfg.set(name, conf[name])
    assert cfg.worker_class is Worker, moved("a worker class by its path", "gunicorn.conf.py")
    assert cfg.logger_class is Log, moved("a logger class by its path", "gunicorn.conf.py")
    assert cfg.forwarded_allow_ips == [], "no peer's headers may change a request's scheme"


def test_every_hook_takes_what_gunicorn_gives(conf: dict[str, Any]) -> None:
    hooks = {name for name in names_in_conf() if callable(conf[name])}
    assert hooks == set(HOOKS), "list the hooks of gunicorn.conf.py here"
    for name, given in HOOKS.items():
        setting = next(each for each in config.KNOWN_SETTINGS if each.name == name)
        assert len(parameters(setting.default)) == len(given), moved(f"{name}({', '.join(given)})", "gunicorn.conf.py")
        assert parameters(conf[name]) == list(given)


def test_what_the_hooks_use_of_the_master(conf: dict[str, Any]) -> None:
    used = {
        node.attr
        for node in ast.walk(ast.parse((ROOT / "gunicorn.conf.py").read_text()))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "server"
    }
    assert used == {"WORKERS", "LISTENERS", "log"}, "list here what gunicorn.conf.py uses of the arbiter"
    for name in used:
        assert name in of_class(arbiter.Arbiter), moved(f"Arbiter.{name}", "gunicorn.conf.py")
    assert isinstance(arbiter.Arbiter.WORKERS, dict), moved("Arbiter.WORKERS as a dictionary of workers", "pre_fork")
    spawn = inspect.getsource(arbiter.Arbiter.spawn_worker)
    assert spawn.index("pre_fork") < spawn.index("os.fork()") < spawn.index("post_fork") < spawn.index("init_process")
    assert "self.spawn_worker()" in inspect.getsource(arbiter.Arbiter.spawn_workers), moved(
        "spawn_worker() as what is called for each worker", "app/server/room.py replaces it"
    )
    turns = inspect.getsource(arbiter.Arbiter.run).partition("while True:")[2]
    assert turns.index("self.wait_for_signals(timeout=1.0)") < turns.index("self.manage_workers()"), moved(
        "manage_workers() once a second", "app/server/turns.py replaces it"
    )
    assert "self.spawn_workers()" in inspect.getsource(arbiter.Arbiter.manage_workers), moved(
        "manage_workers() as what starts workers", "app/server/turns.py replaces it"
    )
    assert 1 not in (arbiter.Arbiter.WORKER_BOOT_ERROR, arbiter.Arbiter.APP_LOAD_ERROR), moved(
        "1 as an exit code after which the master goes on", "app/server/room.py"
    )
    assert "worker_exit" in spawn, moved("worker_exit in the worker's process", "gunicorn.conf.py: the last flush")
    stop = inspect.getsource(arbiter.Arbiter.stop)
    assert stop.index("self.LISTENERS = []") < stop.index("kill_workers"), moved(
        "LISTENERS that are empty before workers are told to stop", "gunicorn.conf.py: child_exit knows a crash by it"
    )


def test_the_worker_hooks_use_of_a_worker(conf: dict[str, Any]) -> None:
    """Names that are set on a worker in the master are there after the fork, and gunicorn has no other use for them."""
    assert {"shares", "slot", "core"}.isdisjoint(of_class(base.Worker))
    assert "pid" in of_class(base.Worker), moved("Worker.pid", "gunicorn.conf.py: child_exit")
    workers: dict[int, Any] = {}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        for pid in range(3):
            worker: Any = SimpleNamespace(shares=None, slot=0)
            conf["pre_fork"](SimpleNamespace(WORKERS=workers), worker)
            workers[pid] = worker
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)  # as after a fork, of which there was none
    assert [worker.slot for worker in workers.values()] == [0, 1, 2]
    assert len({id(worker.shares) for worker in workers.values()}) == 1


# --- listening sockets --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hosts", "alone"), [(("::",), False), (("0.0.0.0", "::"), True), (("127.0.0.1", "::1"), False)]
)
def test_gunicorn_listens_with_our_socket_of_ipv6(
    monkeypatch: pytest.MonkeyPatch, hosts: tuple[str, ...], alone: bool
) -> None:
    monkeypatch.setattr(sock, "TCP6Socket", sock.TCP6Socket)  # put back afterwards
    monkeypatch.setattr(Ipv6Socket, "without_ipv4", False)
    share_ports(hosts)
    conf = config.Config()
    conf.set("bind", ["[::]:0"])
    [listener] = sock.create_sockets(conf, Log(conf))
    try:
        assert isinstance(listener, Ipv6Socket), moved("sock.TCP6Socket that create_sockets looks up", "sockets.py")
        assert bool(listener.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)) is alone
    finally:
        listener.close()
