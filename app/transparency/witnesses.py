"""Asks witnesses for cosignatures of checkpoints, in the worker that gives places.

A thread of its own decides whom to ask and keeps what comes back; each request runs in one more, one at most for each
witness. So a witness that is slow, away or lying holds up neither the log nor another witness, and only one thread
speaks to PostgreSQL, which does not wait for any of them.

All are asked about the same checkpoint, in rounds: cosignatures of different ones make no quorum.
"""

from __future__ import annotations

import logging
import ssl
import threading
from collections.abc import Callable, Sequence

import psycopg
from datastorage_common.counts import counted
from datastorage_common.notes import Note, Signature, SigningKey
from datastorage_common.witness_policy import Policy, Witness

from app.clock import Clock
from app.config.settings import Settings
from app.loop import LoopThread
from app.postgres.errors import in_a_line
from app.postgres.sessions import Connection, Limits, connect, is_hung_up, reading, writing
from app.postgres.watchdog import Watchdog
from app.telemetry import metrics
from app.transparency import checkpoint_store, cosignatures
from app.transparency.log_reads import published
from app.transparency.log_store import LogBrokenError
from app.transparency.seen_elsewhere import contradiction
from app.transparency.tree import consistency_proof
from app.transparency.witness_client import Other, WitnessClient, WitnessError
from app.transparency.witness_turns import Question, Requests, Turn

log = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0
# A round begins so long after the one before, if there is a new checkpoint. A witness that answers at the end of its
# time is there again for the next one. Witnesses are others' machines, and serve many logs.
_ROUND_SECONDS = 4.0
_STATEMENT_SECONDS = 5.0
_LOCK_SECONDS = 1.0
_THIN_SECONDS = 3600.0
# What every implementation of policies should take. Each is a series of the metrics, and a thread while it is asked.
MAX_WITNESSES = 32
_MAX_NAME = 255


class Witnesses:
    """Has each new checkpoint cosigned by the witnesses of the policy that have a URL."""

    def __init__(
        self,
        settings: Settings,
        watchdog: Watchdog,
        clock: Clock,
        *,
        policy: Callable[[], Policy],
        keys: Sequence[SigningKey],
        leading: Callable[[], bool],
    ) -> None:
        """``leading``: whether this worker gives places. ``keys``: those that sign.

        Where a witness shows a tree that one of these keys has signed and this log does not continue, the log is
        inconsistent, and stands still. What a witness merely says is shown, and never leads there.
        """
        self._settings = settings
        self._watchdog = watchdog
        self._clock = clock
        self._policy = policy
        self._verifiers = [key.verifier for key in keys]
        self._leading = leading
        self._verify: ssl.SSLContext | None = None
        self._turns: dict[Witness, Turn] = {}
        self._policy_taken: Policy | None = None
        self._round_at = 0.0
        self._thin_at = 0.0
        self._failed_by = ""
        self._conn: Connection | None = None
        self._wake = threading.Event()
        self._requests = Requests(self._wake)
        self._loop = LoopThread("witnesses", self.step, _LOOK_SECONDS, log, wake=self._wake, end=self._rest)

    def start(self) -> None:
        """Start the thread."""
        self._loop.start()

    def stop(self) -> None:
        """End the thread; requests that are under way are left to their deadlines."""
        self._loop.stop(timeout=_STATEMENT_SECONDS)

    @property
    def claims(self) -> list[str]:
        """What witnesses say that contradicts this log, as far as this worker has asked them; a line each."""
        return [turn.claim for turn in list(self._turns.values()) if turn.claim]

    def step(self) -> None:
        """Keep what has come back, and ask again where it is time."""
        policy = self._policy() if self._leading() else None
        if policy is not None and policy is not self._policy_taken:
            self._take(policy)
        if policy is None or not self._turns:
            self._rest()
            return
        try:
            conn = self._connected()
            with self._watchdog.deadline(conn, _STATEMENT_SECONDS):
                self._round(conn, policy)
            self._failed_by = ""
        except (psycopg.Error, OSError) as e:  # OSError: the password file could not be read just now
            self._failed(in_a_line(e))
        except LogBrokenError as e:
            self._failed(f"its tables contradict each other: {e}")

    def _round(self, conn: Connection, policy: Policy) -> None:
        for answer in self._requests.answers():
            turn, question, said = answer.turn, answer.question, answer.said
            if isinstance(said, Signature):
                self._cosigned(conn, turn, question, said)
            elif isinstance(said, Other):
                self._is_elsewhere(conn, turn, question, said.size)
            elif isinstance(said, Note):
                self._shown(conn, turn, question, said)
            elif said is not None and said.reason == "contradicts":
                self._claims(turn, question, str(said))
            elif said is not None:
                self._gave_nothing(turn, said)
        now = self._clock.monotonic()
        if now >= self._round_at and self._ask_all(conn, now):
            self._round_at = now + _ROUND_SECONDS
        if now >= self._thin_at:
            self._thin_at = now + _THIN_SECONDS
            with writing(conn):
                cosignatures.thin(conn, policy, self._verifiers)

    def _take(self, policy: Policy) -> None:
        """Ask the witnesses of this policy from now on; those that stay are asked as before."""
        with_url = [w for w in policy.witnesses.values() if w.url is not None and len(w.key.name) <= _MAX_NAME]
        wanted = with_url[:MAX_WITNESSES]
        if more := len(with_url) - len(wanted):
            log.warning("%s of the policy are not asked: %d are at the most", counted(more, "witness"), MAX_WITNESSES)
        for witness in self._turns.keys() - set(wanted):
            # Its client may be in use: it goes with its last user.
            self._forget(self._turns.pop(witness))
        for witness in wanted:
            if witness not in self._turns:
                self._turns[witness] = self._turn(witness)
        self._policy_taken = policy

    def _turn(self, witness: Witness) -> Turn:
        if self._verify is None:
            self._verify = ssl.create_default_context()
        turn = Turn(witness, WitnessClient(witness.url or "", witness.key, self._verify, self._clock.now))
        metrics.witness_asked(turn.label)
        return turn

    def _ask_all(self, conn: Connection, now: float) -> bool:
        """Ask everybody about the newest checkpoint who has not cosigned it; whether that was anybody."""
        with reading(conn):
            point = published(conn, self._verifiers)
            if point is None:
                return False
            keys = [witness.key for witness in self._turns]
            come = cosignatures.sizes(conn, point.origin, keys, point.size)
            due = []
            for witness, turn in self._turns.items():
                old = come.get(witness.key)
                metrics.LOG_WITNESS_SIZE.labels(turn.label).set(old or 0)
                if old != point.size and not turn.busy and now >= turn.again_at:
                    due.append((turn, old or 0))
            proofs = {old: consistency_proof(conn, old, point.size) for _, old in due}
        for turn, old in due:
            self._requests.ask(turn, Question(point, old, proofs[old]))
        return bool(due)

    def _cosigned(self, conn: Connection, turn: Turn, question: Question, signature: Signature) -> None:
        point = question.point
        with writing(conn):
            cosignatures.put(conn, point.origin, point.size, turn.witness.key, signature.line())
        self._forget(turn)
        if turn.cosigned():
            log.info("the witness %s cosigns again", turn.label)

    def _is_elsewhere(self, conn: Connection, turn: Turn, question: Question, size: int) -> None:
        """The witness has cosigned another tree last: ask from there, if that is one of ours."""
        with reading(conn):
            # Read after its answer: all that it may have been asked about by others is here by now.
            newest = published(conn, self._verifiers)
            if newest is None or newest.origin != question.point.origin:
                return  # a new origin: the next round asks about that
            if size <= newest.size and not question.again:
                proof = consistency_proof(conn, size, newest.size)
        if size > newest.size:
            claim = f"it has cosigned {size} entries, and the newest checkpoint here has {newest.size}"
            self._claims(turn, question, claim)
        elif question.again:
            self._gave_nothing(turn, WitnessError("wrong", "it answers 409 to the size that it has named"))
        else:
            self._requests.ask(turn, Question(newest, size, proof, again=True))

    def _claims(self, turn: Turn, question: Question, claim: str) -> None:
        """It says that there was another tree. That is shown; a signature by one of our keys is what would prove it."""
        metrics.LOG_WITNESS_CONTRADICTS.labels(turn.label).set(1)
        turn.claim = f"the witness {turn.label} contradicts the log {question.point.origin}: {claim}"
        self._gave_nothing(turn, WitnessError("contradicts", claim))
        self._requests.ask_for_last(turn, question)

    def _shown(self, conn: Connection, turn: Turn, question: Question, note: Note) -> None:
        origin = question.point.origin
        keys = [key for key in self._verifiers if key.name == origin]
        with reading(conn):
            found = contradiction(conn, origin, keys, note)
        if found is not None:
            # The proof is of use to others, and may be gone from there later.
            log.error("the witness %s shows a checkpoint that contradicts the log: %r", turn.label, note.encode())
            with writing(conn):
                checkpoint_store.note_inconsistent(conn, f"{found}: the witness {turn.label} shows it")

    def _gave_nothing(self, turn: Turn, why: WitnessError) -> None:
        metrics.LOG_WITNESS_FAILURES.labels(turn.label, why.reason).inc()
        if turn.failed(self._clock.monotonic(), why):
            level = logging.ERROR if why.reason == "contradicts" else logging.WARNING
            log.log(level, "the witness %s did not cosign: %s", turn.label, why)

    def _forget(self, turn: Turn) -> None:
        """What it said against the log is over, or is for another worker to hear."""
        if turn.claim:
            metrics.LOG_WITNESS_CONTRADICTS.labels(turn.label).set(0)

    def _connected(self) -> Connection:
        if self._conn is not None and is_hung_up(self._conn):
            self._drop()
        if self._conn is None:
            limits = Limits(_STATEMENT_SECONDS, _LOCK_SECONDS)
            self._conn = connect(self._settings.database, "witnesses", limits, self._watchdog)
        return self._conn

    def _failed(self, why: str) -> None:
        if why != self._failed_by:
            log.warning("could not look what witnesses have to be asked: %s", why)
        self._failed_by = why
        self._drop()

    def _drop(self) -> None:
        if self._conn is not None:
            self._conn.close()
            self._conn = None

    def _rest(self) -> None:
        """Hold nothing while nobody is asked here. What is under way ends by itself, and another worker asks anew."""
        if not self._turns and self._conn is None:
            return
        self._drop()
        for turn in self._turns.values():
            self._forget(turn)
        self._turns, self._policy_taken = {}, None
        self._requests = Requests(self._wake)
