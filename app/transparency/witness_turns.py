"""What a witness is asked, in a thread of its own, and how that went."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from datastorage_common.notes import Note, Signature
from datastorage_common.witness_policy import Witness

from app.transparency.log_reads import Published
from app.transparency.witness_client import Other, WitnessClient, WitnessError

log = logging.getLogger(__name__)

# One that gave nothing is asked again after so long, and then after twice as long each time.
_AGAIN_SECONDS, _MOST_AGAIN_SECONDS = 4.0, 300.0

# None: a witness that contradicts the log shows no checkpoint.
Said = Signature | Other | Note | WitnessError | None


@dataclass(slots=True)
class Turn:
    """A witness that is asked, and how that went."""

    witness: Witness
    client: WitnessClient
    busy: bool = False
    failures: int = 0
    again_at: float = 0.0
    said: str = ""  # the last failure, as it stands in the service's log
    claim: str = ""  # what it says that contradicts this log

    @property
    def label(self) -> str:
        """Which it is, for metrics and lines: names of a policy are octets, and may change their meaning."""
        return f"{self.witness.key.name}+{self.witness.key.key_id.hex()}"

    def failed(self, now: float, why: WitnessError) -> bool:
        """It gave nothing; whether that is news."""
        self.again_at = now + min(_MOST_AGAIN_SECONDS, _AGAIN_SECONDS * 2 ** min(self.failures, 10))
        self.failures += 1
        before, self.said = self.said, str(why)
        return self.said != before

    def cosigned(self) -> bool:
        """It gave a cosignature; whether that is news."""
        news = bool(self.said)
        self.failures, self.again_at, self.said, self.claim = 0, 0.0, "", ""
        return news


@dataclass(frozen=True, slots=True)
class Question:
    """That the tree of ``old`` entries is the beginning of this checkpoint's."""

    point: Published
    old: int
    proof: list[bytes]
    again: bool = False  # whether the witness has named ``old`` itself, just before


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a question."""

    turn: Turn
    question: Question
    said: Said


class Requests:
    """Requests that are under way, at most one for each witness, and their answers."""

    def __init__(self, wake: threading.Event) -> None:
        """``wake`` is set whenever there is an answer."""
        self._wake = wake
        self._answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()

    def ask(self, turn: Turn, question: Question) -> None:
        """Ask for a cosignature."""
        self._run(turn, question, lambda: turn.client.add_checkpoint(question.old, question.proof, question.point.note))

    def ask_for_last(self, turn: Turn, question: Question) -> None:
        """Ask for the last checkpoint that the witness has cosigned."""

        def last() -> Said:
            try:
                return turn.client.last_seen(question.point.origin)
            except WitnessError:
                return None  # not every witness shows it at this URL

        self._run(turn, question, last)

    def answers(self) -> Iterator[Answer]:
        """Every answer that is there; its witness may be asked again."""
        while True:
            try:
                answer = self._answers.get_nowait()
            except queue.Empty:
                return
            answer.turn.busy = False
            yield answer

    def _run(self, turn: Turn, question: Question, call: Callable[[], Said]) -> None:
        def run() -> None:
            said: Said
            try:
                said = call()
            except WitnessError as e:
                said = e
            except Exception as e:  # a mistake must not leave its witness busy for ever
                log.exception("asking the witness %s failed unexpectedly", turn.label)
                said = WitnessError("away", type(e).__name__)
            self._answers.put(Answer(turn, question, said))
            self._wake.set()

        turn.busy = True
        try:
            threading.Thread(target=run, name="witness", daemon=True).start()
        except RuntimeError:  # no more threads now: the next round asks
            turn.busy = False
