"""The newest checkpoint that a service shows: one that witnesses have seen where a policy asks for that."""

from __future__ import annotations

from collections.abc import Callable

from datastorage_common.checkpoints import Checkpoint

from datastorage_client.problems import NoCheckpointError, ProblemError
from datastorage_client.verify.errors import CheckpointGoneError, NotWitnessedError
from datastorage_client.verify.steps import NOTE, Ask, Pause, Steps
from datastorage_client.verify.trust import Trust

CHECKPOINT = "/api/v1/log/checkpoint"
# An instance or a proxy may answer as of a moment ago: it is asked so often before it is accused.
STALE_TRIES = 3
PAUSE_S = 1.0


def newest(trust: Trust, remembered: Callable[[], bytes | None]) -> Steps[tuple[bytes, Checkpoint]]:
    """The note and what it says, signed and cosigned as the policy has it.

    ``remembered`` gives the note that is known of a log with these keys, if one is. Raises CheckpointGoneError where
    one is and the service says that it has none; NoteRefusedError, NotWitnessedError, ProblemError.
    """
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
        note = yield from _signed(remembered)
    except NoCheckpointError as e:
        check_not_gone(trust, remembered(), e)
        if trust.policy is not None and not trust.policy.needs_none:
            raise NotWitnessedError(f"the service shows no checkpoint that witnesses have seen: {e.detail}") from None
        raise
    return note, trust.check(note)


def check_not_gone(trust: Trust, known: bytes | None, said: NoCheckpointError) -> None:
    """Raises CheckpointGoneError where a checkpoint is known and the service says that it has none."""
    if known is not None:
        checkpoint = trust.signed(known)
        raise CheckpointGoneError(
            f"the service says that it has no checkpoint ({said.detail}), and one of {checkpoint.size} entries of the "
            f"log {checkpoint.origin} is known from before",
            known,
        ) from None


def _signed(remembered: Callable[[], bytes | None]) -> Steps[bytes]:
    tries = 0
    while True:
        try:
            return (yield Ask(CHECKPOINT, NOTE))
        except NoCheckpointError:
            tries += 1
            if tries == STALE_TRIES or remembered() is None:
                raise
        yield Pause(PAUSE_S)
