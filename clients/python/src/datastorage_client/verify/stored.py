"""Whether the service has events whose entries its log has not: stored ones wait for their places."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from datastorage_common.records import Entry

from datastorage_client.problems import NoCheckpointError, NotFoundError, NotYetInLogError
from datastorage_client.verify.proofs import read_proof
from datastorage_client.verify.steps import NOTE, Fetch

_THREADS = 4


def find_stored(fetch: Fetch, events: Sequence[Entry], size: int) -> list[bool]:
    """For each event whether the service has it, though a log of ``size`` entries has not.

    Each is asked for by its proof, which says so without showing, and thus recording, what is in it. Raises
    DataStorageError.
    """
    with ThreadPoolExecutor(_THREADS) as pool:
        try:
            return list(pool.map(partial(_is_stored, fetch, size), events))
        finally:
            pool.shutdown(cancel_futures=True)


def _is_stored(fetch: Fetch, size: int, event: Entry) -> bool:
    try:
        answer = fetch(f"/api/v1/audit/events/{event.id}/proof?event_date={event.on}", NOTE)
    except NotYetInLogError:
        return True
    except NoCheckpointError:
        raise
    except NotFoundError:
        return False
    # It has got its place meanwhile, behind what was compared.
    return read_proof(answer).proof.index >= size
