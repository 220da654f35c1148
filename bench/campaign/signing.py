"""What the campaign has the log signed with, and everything that was ever signed."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from datastorage_common.checkpoints import parse_checkpoint
from datastorage_common.notes import Note, NoteError, Signature, SigningKey, make_key, parse_note

from app.services import Services
from tests.log_tree import LogTree
from tests.signing_support import NOTE_END, Steps, notes_in
from tests.support import GunicornService
from tests.witness_server import WitnessServer

ORIGIN = "log.example/campaign"
_WITNESSES = 3
_QUORUM = 2
_EVERY_SECONDS = 0.3
_PATH = "/api/v1/log/checkpoint"


class SigningStage:
    """A key, a file that remembers, witnesses, and the files by which an instance is told to die at a step."""

    def __init__(self, directory: Path) -> None:
        self.key = make_key(ORIGIN, os.urandom(32))
        self.witnesses = [WitnessServer(f"w{n}.example", self.key.verifier) for n in range(_WITNESSES)]
        self.memory = directory / "memory"  # the folder of log.checkpoint_file
        self.made = directory / "notes"
        self.orders = directory / "orders"
        self._key_file, self._policy = directory / "log-key", directory / "witnesses"

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """The witnesses listen during the block."""
        self.memory.mkdir()
        self.orders.mkdir()
        self._key_file.touch(0o600)
        self._key_file.write_text(self.key.encode() + "\n")
        try:
            for witness in self.witnesses:
                witness.start()
            names = " ".join(witness.key.name for witness in self.witnesses)
            lines = [w.line() for w in self.witnesses] + [f"group all {_QUORUM} {names}", "quorum all"]
            self._policy.write_text("".join(f"{line}\n" for line in [f"log {self.key.verifier}", *lines]))
            yield
        finally:
            for witness in self.witnesses:
                witness.ended.set()
                witness.stop()

    @property
    def environ(self) -> dict[str, str]:
        """What tells an instance of all this."""
        return {
            "DATASTORAGE_LOG__KEY_FILE": str(self._key_file),
            "DATASTORAGE_LOG__CHECKPOINT_FILE": str(self.memory / "checkpoint"),
            "DATASTORAGE_LOG__WITNESS_POLICY": str(self._policy),
            "CHAOS_NOTES": str(self.made),
            "CHAOS_ORDERS": str(self.orders),
        }

    def contradictions(self, tree: LogTree, stored: list[bytes], served: set[bytes]) -> list[str]:
        """What is wrong with the notes that were made, are stored and were served, and with what witnesses have."""
        made = notes_in(self.made)
        texts = {note.text for note in made}
        found = []
        for where, data in [*(("stored", d) for d in stored), *(("served", d) for d in sorted(served))]:
            try:
                note = parse_note(data)
                if note.text not in texts or self.key.verifier.signed(note) is None:
                    found.append(f"a {where} checkpoint was never signed: {note.text!r}")
            except NoteError as e:
                found.append(f"a {where} checkpoint is none: {e}")
        for text in sorted(texts):
            point = parse_checkpoint(text)
            if point.size > tree.size:
                found.append(f"a tree of {point.size} entries was signed, and the log has {tree.size}")
            elif point.root != tree.root(point.size):
                found.append(f"another tree of {point.size} entries was signed")
        for witness in self.witnesses:
            cosigned = witness.last.get(ORIGIN)
            if cosigned is not None and cosigned[0].text() not in texts:
                found.append(f"{witness.key.name} has cosigned a tree that was never signed")
        return found


class OrderedSteps(Steps):
    """The steps of an instance that signs: behind one that is ordered, the process that comes to it gets a signal.

    An order is a file with the name of the step; who carries it out gives it the number of its process.
    """

    def __init__(self, orders: Path) -> None:
        super().__init__()
        self._orders = orders

    def around(self, name: str, step: Callable[[], Any]) -> Any:
        answer = step()
        for sent in (signal.SIGKILL, signal.SIGSTOP):
            order = self._orders / f"{sent.name} {name}"
            with contextlib.suppress(OSError):
                order.rename(self._orders / f"done {os.getpid()} {sent.name} {name}")
                os.kill(os.getpid(), sent)
        return answer


def watch_signing(services: Services) -> Services:
    """Have every note written down that this process makes, and orders carried out."""
    steps = OrderedSteps(Path(os.environ["CHAOS_ORDERS"]))
    made, sign = Path(os.environ["CHAOS_NOTES"]), SigningKey.sign

    def signed(key: SigningKey, text: str) -> Signature:
        signature = sign(key, text)
        # One write behind what is there: a process that dies leaves it whole or not at all.
        descriptor = os.open(made, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.write(descriptor, Note(text, (signature,)).encode() + NOTE_END)
        os.close(descriptor)
        steps.around("sign", lambda: None)
        return signature

    SigningKey.sign = signed  # type: ignore[method-assign,assignment]
    steps.watch(services.sequencer, services.memories)
    return services


class NoteWatch:
    """Asks all instances for the log's checkpoint again and again, and keeps each note."""

    def __init__(self, services: list[GunicornService]) -> None:
        self._services = services
        self._over = threading.Event()
        self.served: set[bytes] = set()
        self.faults: list[str] = []

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Ask while the block runs."""
        threads = [threading.Thread(target=self._ask, args=(service,)) for service in self._services]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join()

    def _ask(self, service: GunicornService) -> None:
        while not self._over.wait(_EVERY_SECONDS):
            with contextlib.suppress(Exception):  # it is down, or restarts: what it answers is what counts
                answer = service.request("GET", _PATH, timeout=5.0)
                if answer.status == 200:
                    self.served.add(answer.body)
