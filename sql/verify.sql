-- The statements of app/verify/database.py: all in one transaction that reads one snapshot. They name no function of the
-- schema, which whoever could change records could have changed as well.

-- name: walk_the_indexes
-- A part of a log is looked up by the keys of its entries, whatever PostgreSQL thinks of their number; and compiling a
-- statement takes longer than running it.
SELECT set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true), set_config('jit', 'off', true);

-- name: disguised
-- What may show other rows than it holds: a view in the place of a table, a rule, rows that not everybody sees, a table
-- below one that has no months.
WITH known AS (
    SELECT to_regclass(name)::oid AS oid, name FROM unnest(%s::text[]) AS name
    UNION ALL
    SELECT i.inhrelid, i.inhrelid::regclass::text
    FROM unnest(%s::text[]) AS name JOIN pg_inherits i ON i.inhparent = to_regclass(name)
)
SELECT name, CASE
    WHEN c.oid IS NULL THEN 'is not there'
    WHEN c.relkind NOT IN ('r', 'p') THEN 'is no table'
    WHEN c.relhasrules THEN 'has rules'
    WHEN c.relrowsecurity THEN 'has policies for its rows'
    ELSE 'is part of another table' END
FROM known k
LEFT JOIN pg_class c ON c.oid = k.oid
WHERE c.oid IS NULL OR c.relkind NOT IN ('r', 'p') OR c.relhasrules OR c.relrowsecurity
    OR (NOT c.relispartition AND EXISTS (SELECT FROM pg_inherits WHERE inhrelid = c.oid))
ORDER BY name;

-- name: totals
-- How much there is of everything. The rows of an act's details are text until they are known to be numbers.
SELECT h.size, h.origin, h.inconsistent, i.taken, i.finished_by,
    (SELECT details ->> 'taken' FROM log_acts WHERE act_id = i.finished_by),
    (SELECT count(*) FROM log_bundles), (SELECT coalesce(max(bundle) + 1, 0) FROM log_bundles),
    (SELECT count(*) FROM log_places), (SELECT count(*) FROM log_salts),
    (SELECT count(*) FROM audit_events) + (SELECT count(*) FROM notification_audit) + (SELECT count(*) FROM log_acts),
    (SELECT coalesce(sum(count), 0)::bigint FROM log_set_aside)
FROM log_head h, log_intake i;

-- name: old_waiting
-- Records from before there was a log that have no place yet.
SELECT
    (SELECT count(*) FROM audit_events e, log_intake i
        WHERE NOT i.events_done AND e.salt IS NULL
            AND (e.recorded_at, e.event_id, e.event_date) > (i.recorded_at, i.event_id, i.event_date))
    + (SELECT count(*) FROM notification_audit n, log_intake i
        WHERE NOT i.notifications_done AND n.salt IS NULL AND n.id > i.notification_id);

-- name: tile_levels
-- Of each level, how many tiles there are and which is the last.
SELECT level, count(*), max(tile) + 1 FROM log_tiles GROUP BY level;

-- name: bundles
-- Some bundles.
SELECT bundle, width, entries FROM log_bundles WHERE bundle = ANY(%b::int8[]);

-- name: tiles
-- Some tiles, by level and number.
SELECT t.level, t.tile, t.width, t.hashes
FROM unnest(%b::int2[], %b::int8[]) AS u(level, tile)
JOIN log_tiles t USING (level, tile);

-- name: events
-- Events by their keys, which are texts here: to make a UUID of each costs more than to look it up.
SELECT e.event_id, e.event_date, e.parent_event_date, e.recorded_at, e.recorded_by, e.request_id, e.trace_id_from_context,
    e.digest, e.salt, {columns}
FROM unnest(%s::text::uuid[], %s::text::date[]) AS u(event_id, event_date)
JOIN audit_events e USING (event_id, event_date);

-- name: notifications
-- Notifications by their row numbers.
SELECT n.id, n.created_at, n.recorded_by, n.request_id, n.updated_at, n.digest, n.salt, {columns}
FROM unnest(%b::int8[]) AS u(id)
JOIN notification_audit n USING (id);

-- name: acts
-- Acts by their ids.
SELECT act_id, kind, acted_at, acted_by, details::json, digest, salt FROM log_acts WHERE act_id = ANY(%b::uuid[]);

-- name: salts
-- Of the old records in a part of the log.
SELECT log_index, salt FROM log_salts WHERE log_index >= %s AND log_index < %s;

-- name: without_place
-- Which of these entries cannot be found by their ids.
SELECT u.log_index
FROM unnest(%b::int8[], %b::int8[]) AS u(log_index, id_hash)
WHERE NOT EXISTS (SELECT FROM log_places p WHERE p.id_hash = u.id_hash AND p.log_index = u.log_index);

-- name: shared_keys
-- Ids of several entries: such as events with one id on several days, and records that were put into the log twice.
SELECT array_agg(log_index) FROM log_places GROUP BY id_hash HAVING count(*) > 1;

-- name: places
-- Where the entries of some ids are.
SELECT id_hash, log_index FROM log_places WHERE id_hash = ANY(%b::int8[]);

-- name: pending
-- What waits, and what was set aside: its records are stored all the same.
SELECT entries FROM log_pending_a
UNION ALL SELECT entries FROM log_pending_b
UNION ALL SELECT entries FROM log_set_aside;

-- name: event_rows
-- Every event, and whether it is an old one that was not taken in yet.
SELECT e.event_id, e.event_date, coalesce(NOT i.events_done AND e.salt IS NULL
    AND (e.recorded_at, e.event_id, e.event_date) > (i.recorded_at, i.event_id, i.event_date), false)
FROM audit_events e, log_intake i;

-- name: notification_rows
-- As event_rows.
SELECT n.id, coalesce(NOT i.notifications_done AND n.salt IS NULL AND n.id > i.notification_id, false)
FROM notification_audit n, log_intake i;

-- name: act_rows
-- Every act.
SELECT act_id, kind FROM log_acts;

-- name: origins
-- Under which names the log has signed.
SELECT DISTINCT origin FROM log_checkpoints;

-- name: checkpoints
-- Checkpoints of trees between two sizes, in the index of each origin.
SELECT c.origin, c.size, c.root, c.note
FROM unnest(%s::text[]) AS u(origin)
JOIN log_checkpoints c ON c.origin = u.origin AND c.size > %s AND c.size <= %s
ORDER BY c.size;

-- name: cosignatures
-- What witnesses have said, checkpoint by checkpoint.
SELECT origin, size, witness, line FROM log_cosignatures ORDER BY size, origin, witness;

-- name: holds
-- That each was set, and of each that is released that it was, beside the act that says so.
SELECT h.hold_id, 'hold_set', h.set_at, h.set_by, h.name, h.reason, h.filter::json, h.set_salt, a.kind, a.acted_at, a.details::json
FROM audit_holds h LEFT JOIN log_acts a ON a.act_id = h.set_act
UNION ALL
SELECT h.hold_id, 'hold_released', h.released_at, h.released_by, NULL, h.release_reason, NULL, h.release_salt, a.kind,
    a.acted_at, a.details::json
FROM audit_holds h LEFT JOIN log_acts a ON a.act_id = h.release_act
WHERE num_nonnulls(h.released_at, h.released_by, h.release_reason, h.release_act, h.release_salt) > 0;

-- name: acts_without_hold
-- A hold that is gone has left its acts behind.
SELECT kind, act_id FROM log_acts a
WHERE kind = 'hold_set' AND NOT EXISTS (SELECT FROM audit_holds WHERE set_act = a.act_id)
    OR kind = 'hold_released' AND NOT EXISTS (SELECT FROM audit_holds WHERE release_act = a.act_id);
