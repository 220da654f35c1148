"""The one write function: records into PostgreSQL, and the outcome of each request.

The flusher, the replay of the dead letter queue and the service's own audit events all go through `write`. A
call commits its requests in as few transactions as it can; a request is stored whole or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from uuid import UUID

import psycopg

from app.audit import readable
from app.audit.event import AuditEvent, EventKey, Notification, ParentKey
from app.audit.outcome import Conflict, NotificationRow, NotWritten, Rejected, Stored, WriteOutcome, WriteRequest
from app.audit.plan import Plan, conflicts, event_outcome, fit_together, notification_outcome, settle_orphans
from app.audit.rows import event_rows, notification_arrays
from app.auth.read_limits import EVERYTHING, ReadLimits
from app.postgres.errors import Fault, classify, is_timeout
from app.postgres.partitions import make_partition
from app.postgres.sessions import Connection, UnconfirmedError, begin, commit, confirm, roll_back
from app.postgres.statements import statements

_SQL = statements("audit")
_INSERT_EVENTS = _SQL["insert_events"]
_INSERT_NOTIFICATIONS = _SQL["insert_notifications"]
_EVENT_DIGESTS = _SQL["event_digests"]
_NOTIFICATION_DIGESTS = _SQL["notification_digests"]
_PARENTS = _SQL["parents"]
_ANY_PARENTS = _PARENTS.format(readable=readable.events(EVERYTHING).text)

_CONFLICT_RETRIES = 3


class WriteSession:
    """A connection for writes and what has to be known of it while it commits."""

    def __init__(self, conn: Connection) -> None:
        self.conn = conn
        # True from the moment a commit may be on its way to the moment it was answered.
        self.committing = False
        # True once a statement that is its own commit was answered: what fails after it undoes nothing.
        self.kept = False

    @property
    def broken(self) -> bool:
        """Whether the connection can be used no more."""
        return self.conn.closed or self.conn.broken


# What nearly all requests come to.
_ALL_NEW = Stored()


def write(session: WriteSession, requests: Sequence[WriteRequest]) -> list[WriteOutcome]:
    """Store the requests; one outcome each, in order. Never raises for what PostgreSQL says.

    A request whose own fault it is that a statement fails is found by halving and fails alone; the others are
    committed. The caller bounds the time by shutting the connection's socket.
    """
    return _attempt(session, list(requests), conflicts_left=_CONFLICT_RETRIES, may_make_partition=True)


def append(conn: Connection, events: Sequence[AuditEvent]) -> None:
    """Store the service's own events in the caller's transaction: both that and they are kept, or neither.

    Raises psycopg.Error. Their ids are new, so there is nothing to be a duplicate of, and they have no parents.
    """
    conn.execute(_INSERT_EVENTS, event_rows(events, {}))


def _attempt(
    session: WriteSession, requests: list[WriteRequest], *, conflicts_left: int, may_make_partition: bool
) -> list[WriteOutcome]:
    if session.broken:
        return [NotWritten(Fault.OUTAGE)] * len(requests)
    session.committing = session.kept = session.conn.warned = False
    try:
        settled = _write_once(session, requests)
    except UnconfirmedError:
        return [NotWritten(Fault.OUTAGE, in_doubt=True)] * len(requests)
    except psycopg.Error as e:
        fault = classify(e)
        # An answer on a live connection says that nothing was committed; silence says nothing.
        in_doubt = session.committing and (session.broken or e.sqlstate is None or session.kept)
        timed_out = is_timeout(e)
        if not in_doubt:
            in_doubt = not roll_back(session.conn) and session.committing
    else:
        for i, request in enumerate(requests):
            if i not in settled:
                settled[i] = _attempt(session, [request], conflicts_left=_CONFLICT_RETRIES, may_make_partition=True)[0]
        return [settled[i] for i in range(len(requests))]
    if in_doubt:
        return [NotWritten(Fault.OUTAGE, in_doubt=True, timed_out=timed_out)] * len(requests)
    if fault is Fault.CONFLICT and conflicts_left > 0:
        return _attempt(session, requests, conflicts_left=conflicts_left - 1, may_make_partition=may_make_partition)
    if fault is Fault.MISSING_PARTITION and may_make_partition:
        failed = _make_partitions(session, requests)
        if failed is not None:
            return [NotWritten(failed)] * len(requests)
        return _attempt(session, requests, conflicts_left=conflicts_left, may_make_partition=False)
    if fault is Fault.MISSING_PARTITION:
        # Its table is there, and no partition: detached by hand. Other months take their rows.
        return _isolate(session, requests, Fault.UNKNOWN)
    if fault in (Fault.ROW, Fault.UNKNOWN):
        return _isolate(session, requests, fault)
    if fault is Fault.CONFLICT:
        fault = Fault.OUTAGE
    return [NotWritten(fault, timed_out=timed_out)] * len(requests)


def _isolate(session: WriteSession, requests: list[WriteRequest], fault: Fault) -> list[WriteOutcome]:
    """One of these requests is at fault: halve until it stands alone."""
    if len(requests) > 1:
        middle = len(requests) // 2
        return [
            outcome
            for half in (requests[:middle], requests[middle:])
            for outcome in _attempt(session, half, conflicts_left=_CONFLICT_RETRIES, may_make_partition=True)
        ]
    if fault is Fault.UNKNOWN:
        return [NotWritten(Fault.UNKNOWN)]
    return [Rejected(_faulty_index(session, requests[0]))]


def _faulty_index(session: WriteSession, request: WriteRequest) -> int:
    """Index of the first record of a refused request that PostgreSQL refuses; 0 if it cannot be told."""
    low, high = 0, len(request.records)
    while high - low > 1 and not session.broken:
        middle = (low + high) // 2
        try:
            begin(session.conn)
            _insert_all(session, WriteRequest(request.records[low:middle]))
            low = middle
        except psycopg.Error as e:
            if classify(e) is not Fault.ROW:
                return 0
            high = middle
        finally:
            roll_back(session.conn)
    return low


def _insert_all(session: WriteSession, request: WriteRequest) -> None:
    events = [r for r in request.records if isinstance(r, AuditEvent)]
    notifications = [r for r in request.records if isinstance(r, Notification)]
    if events:
        session.conn.execute(_INSERT_EVENTS, event_rows(events, {}))
    if notifications:
        session.conn.execute(_INSERT_NOTIFICATIONS, notification_arrays(notifications))


def _make_partitions(session: WriteSession, requests: Iterable[WriteRequest]) -> Fault | None:
    """Make the months that these events fall in; the fault if that could not be done."""
    months = {r.event_date.replace(day=1) for q in requests for r in q.records if isinstance(r, AuditEvent)}
    try:
        for month in sorted(months):
            make_partition(session.conn, month)
    except psycopg.Error as e:
        fault = classify(e)
        roll_back(session.conn)
        # Not the row's fault: the service accepted its date. A lock that another session holds passes.
        return Fault.OUTAGE if fault in (Fault.ROW, Fault.MISSING_PARTITION, Fault.CONFLICT) else fault
    return None


# --- one transaction ----------------------------------------------------------------------------------------


def _write_once(session: WriteSession, requests: list[WriteRequest]) -> dict[int, WriteOutcome]:
    """The outcomes by index; those that contradict an earlier request have none yet."""
    outcomes: dict[int, WriteOutcome] = {}
    while True:
        live = {i: q for i, q in enumerate(requests) if i not in outcomes}
        plan = fit_together(live, outcomes)
        for i in [i for i in live if i in outcomes]:
            outcomes[i] = _with_stored(session, live.pop(i), outcomes[i])
        live = {i: q for i, q in live.items() if i not in plan.waiting}
        if plan.unresolved:
            found = _stored_parents(session, plan.unresolved)
            plan.parents.update(found)
            if lost := plan.unresolved - found.keys():
                settle_orphans(live, lost, outcomes)
                # Others may have leaned on what those requests would have stored: plan again without them.
                continue
        if live:
            _commit(session, live, plan, outcomes)
        if all(i in outcomes for i in live):
            return outcomes


def _stored_parents(session: WriteSession, wanted: set[ParentKey]) -> dict[ParentKey, date]:
    """The days of the parents that are in the table, for each writer within what he may read."""
    anybodys: list[UUID] = []
    within: dict[ReadLimits, list[UUID]] = {}
    for key in wanted:
        if isinstance(key, UUID):
            anybodys.append(key)
        else:
            within.setdefault(key[0], []).append(key[1])
    found: dict[ParentKey, date] = {}
    if anybodys:
        found.update(session.conn.execute(_ANY_PARENTS, (anybodys,)).fetchall())
    for reads, idents in within.items():
        source = readable.events(reads)
        rows = session.conn.execute(_PARENTS.format(readable=source.text), (*source.parameters, idents))
        found.update({(reads, ident): day for ident, day in rows.fetchall()})
    return found


def _with_stored(session: WriteSession, request: WriteRequest, outcome: WriteOutcome) -> WriteOutcome:
    """The conflict of a request that contradicts itself, together with what it contradicts in the table."""
    assert isinstance(outcome, Conflict)  # noqa: S101 - the plan finds no other
    keys = [r.key for r in request.records if isinstance(r, AuditEvent)]
    return Conflict(tuple(sorted({*outcome.indexes, *conflicts(request, _stored_digests(session, keys))})))


def _commit(
    session: WriteSession, live: dict[int, WriteRequest], plan: Plan, outcomes: dict[int, WriteOutcome]
) -> None:
    notifications: dict[str, Notification] = {}
    for request in live.values():
        for record in request.records:
            if isinstance(record, Notification):
                notifications.setdefault(record.key, record)
    in_transaction = (
        session.conn.pooled or any(len(q.records) > 1 for q in live.values()) or bool(plan.events and notifications)
    )
    if in_transaction:
        begin(session.conn)
    # Without a transaction of our own the statement is its own commit.
    session.committing = not in_transaction
    new_events, old_events = _put_events(session, plan)
    new_notes, old_notes = _put_notifications(session, notifications)
    if in_transaction and _undo_conflicts(session, live, old_events, outcomes):
        return
    if (old_events or old_notes) and not (new_events or new_notes):
        # What was there is answered as kept, or its queue entry deleted: it has to be wherever a commit has to be.
        confirm(session.conn)
    if in_transaction:
        session.committing = True
        commit(session.conn)
    elif session.conn.warned:
        raise UnconfirmedError
    session.committing = False
    if not old_events and not notifications and len(new_events) == sum([len(q.records) for q in live.values()]):
        outcomes.update(dict.fromkeys(live, _ALL_NEW))
        return
    seen: set[EventKey | str] = set()
    for i, request in live.items():
        first = request.records[0]
        if isinstance(first, Notification):
            outcomes[i] = notification_outcome(first, first.key in seen, notifications, new_notes, old_notes)
            seen.add(first.key)
        else:
            outcomes[i] = event_outcome(request, seen, new_events, old_events)


def _put_events(session: WriteSession, plan: Plan) -> tuple[set[EventKey], dict[EventKey, bytes]]:
    """Insert what is not there; the keys that are new, and the digests of those that were there."""
    if not plan.events:
        return set(), {}
    cursor = session.conn.execute(_INSERT_EVENTS, event_rows(plan.events.values(), plan.parents), binary=True)
    session.kept = session.committing
    if cursor.rowcount == len(plan.events):
        return set(plan.events), {}
    new: set[EventKey] = set(cursor.fetchall())
    missing = [key for key in plan.events if key not in new]
    return new, _stored_digests(session, missing)


def _stored_digests(session: WriteSession, keys: list[EventKey]) -> dict[EventKey, bytes]:
    rows = session.conn.execute(_EVENT_DIGESTS, ([k[0] for k in keys], [k[1] for k in keys]), binary=True)
    return {(event_id, day): bytes(digest) for event_id, day, digest in rows}


def _put_notifications(
    session: WriteSession, notifications: dict[str, Notification]
) -> tuple[dict[str, NotificationRow], dict[str, bytes]]:
    if not notifications:
        return {}, {}
    rows = session.conn.execute(_INSERT_NOTIFICATIONS, notification_arrays(notifications.values())).fetchall()
    session.kept = session.committing
    new = {key: NotificationRow(ident, created, updated) for key, ident, created, updated in rows}
    missing = [key for key in notifications if key not in new]
    if not missing:
        return new, {}
    old = session.conn.execute(_NOTIFICATION_DIGESTS, (missing,)).fetchall()
    return new, {key: bytes(digest) for key, digest in old}


def _undo_conflicts(
    session: WriteSession,
    live: dict[int, WriteRequest],
    old: dict[EventKey, bytes],
    outcomes: dict[int, WriteOutcome],
) -> bool:
    """Roll back if a request of several records is in conflict, since its other rows must not stay."""
    found = False
    for i, request in live.items():
        if len(request.records) > 1 and (indexes := conflicts(request, old)):
            outcomes[i] = Conflict(indexes)
            found = True
    if found:
        roll_back(session.conn)
    return found
