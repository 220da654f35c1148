"""The newest checkpoint that a service shows: one that witnesses have seen where a policy asks for that."""

from __future__ import annotations

from collections.abc import Sequence

from datastorage_common.checkpoints import Checkpoint

from datastorage_client.problems import NoCheckpointError, ProblemError
from datastorage_client.verify.errors import CheckpointGoneError, NotWitnessedError
from datastorage_client.verify.steps import NOTE, Ask, Pause, Steps
from datastorage_client.verify.trust import Trust

CHECKPOINT = "/api/v1/log/checkpoint"
# An instance or a proxy may answer as of a moment ago: it is asked so often before it is accused.
STALE_TRIES = 3
PAUSE_S = 1.0


def newest(trust: Trust, known: Sequence[bytes]) -> Steps[tuple[bytes, Checkpoint]]:
    """The note and what it says, signed and cosigned as the policy has it.

    ``known``: notes of logs with these keys that were known before it is asked; what others remember meanwhile may be
    newer than an honest answer. Where the answer is older than they are it is asked again, and given in the end; see
    `newer`. Raises CheckpointGoneError where one is known and the service says that it has none, NoCheckpointError
    where none was known, or the log was just given another name; NoteRefusedError, NotWitnessedError, ProblemError.
    """
    tries = 0
    while True:
        note, shown = yield from _shown(trust, known)
        tries += 1
        if tries == STALE_TRIES or newer(trust, known, shown) is None:
            return note, shown
        yield Pause(PAUSE_S)


def newer(trust: Trust, known: Sequence[bytes], shown: Checkpoint) -> tuple[bytes, Checkpoint] | None:
    """The known checkpoint of this log with more entries than the shown one. Raises NoteRefusedError.

    One that has too few witnesses does not count: those that have enough come behind it.
    """
    for note in known:
        if note.startswith(f"{shown.origin}\n".encode()):
            checkpoint = trust.signed(note)
            if checkpoint.size > shown.size and trust.is_witnessed(note):
                return note, checkpoint
    return None


def _shown(trust: Trust, known: Sequence[bytes]) -> Steps[tuple[bytes, Checkpoint]]:
    if trust.policy is not None and not trust.policy.needs_none:
        # It is of the service's own policy, which may be another one, or none.
        try:
            note = yield Ask(f"{CHECKPOINT}/witnessed", NOTE)
            return note, trust.check(note)
        except NotWitnessedError:
            pass
        except ProblemError as e:
            if e.status != 404:
                raise
    try:
        note = yield from _signed(known)
    except NoCheckpointError as e:
        check_not_gone(trust, known, e)
        if trust.policy is not None and not trust.policy.needs_none:
            raise NotWitnessedError(f"the service shows no checkpoint that witnesses have seen: {e.detail}") from None
        raise
    return note, trust.check(note)


def check_not_gone(trust: Trust, known: Sequence[bytes], said: NoCheckpointError) -> None:
    """Raises CheckpointGoneError where a checkpoint is known and the service says that it has none.

    NoCheckpointError, where it says that its log has another name by now, whose key is known and no checkpoint: that
    one is not signed yet, and nobody can tell whether it continues what is known.
    """
    if not known:
        return
    checkpoint = trust.signed(known[0])
    name = said.origin
    if name is not None and _is_new(trust, known, name):
        raise NoCheckpointError(
            said.status,
            {
                **said.members,
                "detail": f"the log {checkpoint.origin} is called {name} now, and no checkpoint was signed under that "
                "name yet: ask again in a moment",
            },
            retry_after=said.retry_after,
        ) from None
    called = f"; its log is called {name}" if name not in (None, checkpoint.origin) else ""
    raise CheckpointGoneError(
        f"the service says that it has no checkpoint ({said.detail}{called}), and one of {checkpoint.size} entries of "
        f"the log {checkpoint.origin} is known from before",
        known[0],
    ) from None


def _is_new(trust: Trust, known: Sequence[bytes], name: str) -> bool:
    """Whether a log of this name is expected, by its key, and no checkpoint of it was seen yet."""
    expected = any(key.name == name for key in trust.keys)
    return expected and not any(note.startswith(f"{name}\n".encode()) for note in known)


def _signed(known: Sequence[bytes]) -> Steps[bytes]:
    tries = 0
    while True:
        try:
            return (yield Ask(CHECKPOINT, NOTE))
        except NoCheckpointError:
            tries += 1
            if tries == STALE_TRIES or not known:
                raise
        yield Pause(PAUSE_S)
