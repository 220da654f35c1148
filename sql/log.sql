-- The statements of app/transparency.

-- name: lock_head
-- Who has this lock gives places. A statement of its own, so that those behind it see what its last holder committed; in a
-- transaction that PostgreSQL ends when its client stands still. Nothing in it is worth being compiled: where kinds of plans
-- are ruled out (walk_the_index) PostgreSQL up to 17 takes the others for so dear that it would compile each, for 100 ms.
SELECT set_config('idle_in_transaction_session_timeout', '2000', true), set_config('lock_timeout', '1000', true),
    set_config('jit', 'off', true)
FROM log_head FOR UPDATE SKIP LOCKED;

-- name: end_stopped_holder
-- Who has the lock for longer than any bite takes stands still: a client that was stopped, or a network that was cut.
SELECT pg_terminate_backend(pid)
FROM (
    SELECT DISTINCT l.pid
    FROM pg_locks l
    JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'relation' AND l.relation = 'log_head'::regclass AND l.granted
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND l.mode IN ('RowShareLock', 'RowExclusiveLock') AND l.pid <> pg_backend_pid()
        AND a.xact_start < clock_timestamp() - interval '5 seconds'
) AS holders;

-- name: head
-- As it is for who has the lock.
SELECT size, epoch, holder, origin, inconsistent FROM log_head;

-- name: edge_tiles
-- The tiles of the right edge.
SELECT t.level, t.hashes FROM unnest(%b::int2[], %b::int8[]) AS u(level, tile) JOIN log_tiles t USING (level, tile);

-- name: edge_bundle
-- The last bundle, where it is not full.
SELECT entries FROM log_bundles WHERE bundle = %s;

-- name: pending
-- The next bite, in the order of one sequence: as many rows as hold so many entries, and one at least. What lies below the
-- first number was taken, or is looked for now and then.
SELECT id, count, entries, extract(epoch FROM clock_timestamp() - queued_at)::float8
FROM (
    SELECT id, count, entries, queued_at, sum(count) OVER (ORDER BY id) - count AS before
    FROM (
        SELECT id, count, entries, queued_at
        FROM (
            SELECT id, count, entries, queued_at FROM log_pending_a WHERE id >= %(first)s
            UNION ALL
            SELECT id, count, entries, queued_at FROM log_pending_b WHERE id >= %(first)s
        ) AS rows_of_both
        ORDER BY id
        LIMIT %(rows)s
    ) AS following
) AS counted
WHERE before < %(entries)s
ORDER BY id;

-- name: anything_pending
-- An idle sequencer asks this and no more: no transaction, no lock, the first row of an index. Not by EXISTS, for which
-- PostgreSQL may walk over the table instead: under a backup that is full of rows which it takes for living ones.
SELECT (SELECT id FROM log_pending_a WHERE id >= %(first)s ORDER BY id LIMIT 1) IS NOT NULL
    OR (SELECT id FROM log_pending_b WHERE id >= %(first)s ORDER BY id LIMIT 1) IS NOT NULL;

-- name: set_aside
-- A row that no release could read: kept where it is shown, out of the way of those behind it.
INSERT INTO log_set_aside (id, count, entries, queued_at, why)
VALUES (%s, %s, %b, clock_timestamp() - make_interval(secs => %s), %s);

-- name: delete_from_a
-- By number, so that what came in meanwhile stays.
DELETE FROM log_pending_a WHERE id = ANY(%b::int8[]);

-- name: delete_from_b
-- As delete_from_a.
DELETE FROM log_pending_b WHERE id = ANY(%b::int8[]);

-- name: put_bundles
-- A bundle that was not full comes again, with more behind what it held.
INSERT INTO log_bundles (bundle, width, entries)
SELECT * FROM unnest(%b::int8[], %b::int2[], %b::bytea[])
ON CONFLICT (bundle) DO UPDATE SET width = EXCLUDED.width, entries = EXCLUDED.entries;

-- name: put_tiles
-- As put_bundles.
INSERT INTO log_tiles (level, tile, width, hashes)
SELECT * FROM unnest(%b::int2[], %b::int8[], %b::int2[], %b::bytea[])
ON CONFLICT (level, tile) DO UPDATE SET width = EXCLUDED.width, hashes = EXCLUDED.hashes;

-- name: put_places
-- Its rows go into a page, and into the WAL, many at once; those of INSERT one by one.
COPY log_places (id_hash, log_index) FROM STDIN (FORMAT binary);

-- name: put_head
-- Last: what it covers is there by now.
UPDATE log_head SET size = %s, epoch = %s, holder = %s;

-- name: pending_bytes
-- On disk, with the rows that were deleted since the last TRUNCATE.
SELECT pg_table_size('log_pending_a'), pg_table_size('log_pending_b');

-- name: wait_no_longer
-- Who came late with a row for the table waits behind this.
SELECT set_config('lock_timeout', '100', true);

-- name: lock_a
-- What TRUNCATE takes anyway: it is taken before the look whether the table is empty.
LOCK TABLE log_pending_a IN ACCESS EXCLUSIVE MODE;

-- name: lock_b
-- As lock_a.
LOCK TABLE log_pending_b IN ACCESS EXCLUSIVE MODE;

-- name: waits_in_a
-- Whether a writer left a row before the lock was there.
SELECT EXISTS (SELECT FROM log_pending_a);

-- name: waits_in_b
-- As waits_in_a.
SELECT EXISTS (SELECT FROM log_pending_b);

-- name: empty_a
-- Gives the room of deleted rows back at once, whatever snapshots are open.
TRUNCATE log_pending_a;

-- name: empty_b
-- As empty_a.
TRUNCATE log_pending_b;

-- name: walk_the_index
-- For this transaction. Nobody has counted the rows without a salt yet, so that PostgreSQL takes them for few, and would sort
-- all that are left for each bite, where the index of each month has them in order.
SELECT set_config('enable_sort', 'off', true), set_config('enable_bitmapscan', 'off', true),
    set_config('enable_seqscan', 'off', true);

-- name: intake
-- How far the records from before there was a log are taken in, and whether their index is there already.
SELECT events_done, notifications_done, recorded_at, event_id, event_date, notification_id,
    coalesce((SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('audit_events_unsalted')), false)
FROM log_intake;

-- name: old_events
-- The next of them in the order in which they were recorded, each with a salt; OFFSET 0 keeps that from being made twice.
SELECT log_event_entry('\x00', new_salt, digest, event_id, event_date, parent_event_date, recorded_at, recorded_by,
    request_id, trace_id, trace_id_from_context), new_salt, recorded_at, event_id, event_date
FROM (
    SELECT *, uuid_send(gen_random_uuid()) AS new_salt
    FROM (
        SELECT * FROM audit_events
        WHERE salt IS NULL AND (recorded_at, event_id, event_date) > (%s, %s, %s)
        ORDER BY recorded_at, event_id, event_date
        LIMIT %s
    ) AS following
    OFFSET 0
) AS salted;

-- name: old_notifications
-- As old_events, by row number.
SELECT log_notification_entry('\x02', new_salt, digest, id, sent_at, created_at, updated_at, recorded_by, request_id),
    new_salt, id
FROM (
    SELECT *, uuid_send(gen_random_uuid()) AS new_salt
    FROM (SELECT * FROM notification_audit WHERE salt IS NULL AND id > %s ORDER BY id LIMIT %s) AS following
    OFFSET 0
) AS salted;

-- name: put_salts
-- The rows themselves cannot be given one: records are never changed.
INSERT INTO log_salts (log_index, salt) SELECT %s + n - 1, salt FROM unnest(%b::bytea[]) WITH ORDINALITY AS u(salt, n);

-- name: took_events
-- In the transaction that gives them their places.
UPDATE log_intake SET recorded_at = %s, event_id = %s, event_date = %s, taken = taken + %s;

-- name: took_notifications
-- As took_events.
UPDATE log_intake SET notification_id = %s, taken = taken + %s;

-- name: no_more_events
-- There will be no more: since the migration every event has a salt, by the default where its writer gives none.
UPDATE log_intake SET events_done = true;

-- name: no_more_notifications
-- As no_more_events.
UPDATE log_intake SET notifications_done = true;

-- name: look
-- How the log is, in one statement. What was set aside has no place either. No more rows are counted than a minute's worth:
-- where more wait, their number says no more than that. The newest checkpoint under the log's name may be one that nobody has
-- signed (signing_watch.py).
SELECT h.size, i.taken, i.events_done AND i.notifications_done,
    i.events_done OR coalesce((SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('audit_events_unsalted')), false),
    (SELECT size FROM log_checkpoints WHERE origin = h.origin ORDER BY size DESC LIMIT 1), h.epoch, h.origin, h.unsigned,
    coalesce(extract(epoch FROM clock_timestamp() - h.tried_at)::float8, 0), h.inconsistent,
    p.first, coalesce(p.records, 0) + coalesce(a.records, 0),
    coalesce(extract(epoch FROM clock_timestamp() - least(p.since, a.since))::float8, 0)
FROM log_head h, log_intake i,
(SELECT sum(count) AS records, min(queued_at) AS since FROM log_set_aside) AS a, (
    SELECT min(id) AS first, sum(count) AS records, min(queued_at) AS since
    FROM (
        SELECT id, count, queued_at
        FROM (
            SELECT id, count, queued_at FROM log_pending_a WHERE id >= %(first)s
            UNION ALL
            SELECT id, count, queued_at FROM log_pending_b WHERE id >= %(first)s
        ) AS rows_of_both
        ORDER BY id
        LIMIT 50000
    ) AS waiting
) AS p;

-- name: standing
-- Who gives places, and how the taking in of old records stands, with the act that finished it.
SELECT h.epoch, h.holder, i.taken, i.events_done, i.notifications_done,
    i.events_done OR coalesce((SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('audit_events_unsalted')), false),
    i.finished_by, a.acted_at, a.acted_by
FROM log_head h, log_intake i LEFT JOIN log_acts a ON a.act_id = i.finished_by;

-- name: old_left
-- How many old records have no place yet: counted in the index, and no more than so many of each kind.
SELECT
    (SELECT count(*) FROM (
        SELECT FROM audit_events e, log_intake i
        WHERE NOT i.events_done AND e.salt IS NULL
            AND (e.recorded_at, e.event_id, e.event_date) > (i.recorded_at, i.event_id, i.event_date)
        LIMIT %(most)s
    ) AS events)
    + (SELECT count(*) FROM (
        SELECT FROM notification_audit n, log_intake i
        WHERE NOT i.notifications_done AND n.salt IS NULL AND n.id > i.notification_id
        LIMIT %(most)s
    ) AS notifications);

-- name: lock_intake
-- The sequencer waits for it, and another one who would finish: neither goes on with what this one is about to close.
SELECT events_done AND notifications_done, taken, finished_by FROM log_intake FOR UPDATE;

-- name: without_place
-- Records that have neither a salt nor a place. Each that was taken in has a salt by its place, which is found by a hash of
-- its id (place_key in app/transparency/entries.py); one by one, since a month that was detached takes its records along.
SELECT count(*)
FROM (
    SELECT sha256('e'::bytea || uuid_send(event_id)) AS hash FROM audit_events WHERE salt IS NULL
    UNION ALL
    SELECT sha256('n'::bytea || int8send(id)) FROM notification_audit WHERE salt IS NULL
) AS old
WHERE NOT EXISTS (
    SELECT FROM log_places p JOIN log_salts USING (log_index)
    WHERE p.id_hash = ('x' || encode(substring(old.hash FOR 8), 'hex'))::bit(64)::bigint
);

-- name: now_and_who
-- The server's clock and the role, as the act will hold them: its digest is made before it is stored.
SELECT clock_timestamp(), current_user;

-- name: put_act
-- A trigger leaves its pending row, as for every record.
INSERT INTO log_acts (act_id, kind, acted_at, acted_by, details, digest) VALUES (%s, %s, %s, %s, %s::jsonb, %s);

-- name: act
-- The act that finished the intake, where that was done before.
SELECT act_id, kind, acted_at, acted_by, details::text FROM log_acts WHERE act_id = %s;

-- name: finish_intake
-- In the transaction of its act.
UPDATE log_intake SET finished_by = %s;

-- name: tiles
-- Any tiles, by level and number.
SELECT t.level, t.tile, t.hashes FROM unnest(%b::int2[], %b::int8[]) AS u(level, tile) JOIN log_tiles t USING (level, tile);
