-- The statements of app/audit/queries.py. Keys are picked first, from an index and inside a LIMIT; the wide rows are read
-- for those alone. {readable} is what the reader may read (app/audit/readable.py): without limits the table itself.

-- name: event_keys
-- Newest first; event_id makes the order total, so that a cursor is exact.
SELECT event_id, event_date
FROM {readable}
WHERE {conditions}
ORDER BY event_timestamp DESC, event_id DESC
LIMIT %s OFFSET %s;

-- name: event_log_index
-- Where an event is in the log; NULL until it is there. Others may have a place under the same hash, such as an event with
-- this id on another day, so the entry decides. Where there are events alone in its bundle it stands there at its number
-- times 53 (app/transparency/entries.py), which is cheap to look at; else its leaf says so, for three times as much.
coalesce((
    SELECT p.log_index
    FROM log_places p
    JOIN log_bundles b ON b.bundle = p.log_index / 256
    WHERE p.id_hash = ('x' || left(encode(sha256('e'::bytea || uuid_send(e.event_id)), 'hex'), 16))::bit(64)::bigint
        AND octet_length(b.entries) = 53 * b.width
        AND substring(b.entries FROM 53 * mod(p.log_index, 256)::int + 2 FOR 20) = uuid_send(e.event_id) || date_send(e.event_date)
    LIMIT 1
), (
    SELECT p.log_index
    FROM log_places p
    JOIN log_tiles t ON t.level = 0 AND t.tile = p.log_index / 256
    LEFT JOIN log_salts s ON s.log_index = p.log_index
    WHERE p.id_hash = ('x' || left(encode(sha256('e'::bytea || uuid_send(e.event_id)), 'hex'), 16))::bit(64)::bigint
        AND substring(t.hashes FROM 32 * mod(p.log_index, 256)::int + 1 FOR 32) = sha256('\x00'::bytea || convert_to(
            '{"commitment":"' || encode(substring(log_event_entry(
                '\x01', coalesce(e.salt, s.salt), e.digest, e.event_id, e.event_date, e.parent_event_date, e.recorded_at,
                e.recorded_by, e.request_id, e.trace_id, e.trace_id_from_context
            ) FROM 22), 'hex')
            || '","id":"' || e.event_id || '","kind":"audit_event","on":"' || e.event_date || '","v":'
            || CASE WHEN e.salt IS NULL THEN 0 ELSE 1 END || '}', 'UTF8'
        ))
    LIMIT 1
));

-- name: notification_log_index
-- As event_log_index, by the leaf.
(
    SELECT p.log_index
    FROM log_places p
    JOIN log_tiles t ON t.level = 0 AND t.tile = p.log_index / 256
    LEFT JOIN log_salts s ON s.log_index = p.log_index
    WHERE p.id_hash = ('x' || left(encode(sha256('n'::bytea || int8send(id)), 'hex'), 16))::bit(64)::bigint
        AND substring(t.hashes FROM 32 * mod(p.log_index, 256)::int + 1 FOR 32) = sha256('\x00'::bytea || convert_to(
            '{"commitment":"' || encode(substring(log_notification_entry(
                '\x03', coalesce(notification_audit.salt, s.salt), digest, id, sent_at, created_at, updated_at, recorded_by,
                request_id
            ) FROM 14), 'hex')
            || '","id":"' || id || '","kind":"notification","on":"' || (sent_at AT TIME ZONE 'UTC')::date || '","v":'
            || CASE WHEN notification_audit.salt IS NULL THEN 0 ELSE 1 END || '}', 'UTF8'
        ))
    LIMIT 1
);

-- name: event_page
-- The join does not keep the order of the keys.
SELECT {columns}
FROM ({keys}) k
JOIN audit_events e USING (event_id, event_date)
ORDER BY e.event_timestamp DESC, e.event_id DESC;

-- name: large_event_rows
-- For fitting_rows of pages.sql, which puts them in the order of n.
SELECT {columns}, k.n, k.found
FROM ({keys}) AS k
JOIN audit_events e USING (event_id, event_date);

-- name: event
-- The newest that may be read, if its id was used on several days and no day is named.
SELECT {columns}
FROM {readable} e
WHERE {conditions}
ORDER BY event_timestamp DESC, event_date DESC
LIMIT 1;

-- name: holds_of_event
-- The oldest first, and how many there are.
SELECT h.hold_id, h.name, count(*) OVER ()
FROM audit_events e JOIN audit_holds h ON audit_filter_takes_event(h.filter, e)
WHERE e.event_id = %s AND e.event_date = %s AND h.released_at IS NULL
ORDER BY h.set_at, h.hold_id
LIMIT %s;

-- name: readable_parents
-- Which of the parents of some rows may be read, for a reader with limits: the service found the day of a parent, and shows
-- that of no other.
SELECT e.event_id, e.event_date
FROM unnest(%b::uuid[], %b::date[]) AS u(event_id, event_date)
JOIN {readable} e USING (event_id, event_date);

-- name: notification_page
-- A row is bounded by the lengths of its members, 13 KB at the most, so a page of them can be read whole.
SELECT {columns}
FROM {readable}
WHERE {conditions}
ORDER BY sent_at DESC, id DESC
LIMIT %s OFFSET %s;

-- name: count_events
-- Only where a page does not show by itself how many there are.
SELECT count(*) FROM {readable} WHERE {conditions};

-- name: count_notifications
-- As count_events.
SELECT count(*) FROM {readable} WHERE {conditions};

-- name: events_picked
-- Which of the events of some entries of the log pass, in the order of the log. OFFSET 0 is a fence: each row is found by its
-- key, whatever is asked for, while an index of what is asked for could hold millions of others.
SELECT log_index
FROM (
    SELECT found.*, k.log_index
    FROM unnest(%b::uuid[], %b::date[], %b::int8[]) AS k(event_id, event_date, log_index)
    CROSS JOIN LATERAL (
        SELECT * FROM {readable} r WHERE r.event_id = k.event_id AND r.event_date = k.event_date OFFSET 0
    ) AS found
) AS placed
WHERE {conditions}
ORDER BY log_index
LIMIT %s;

-- name: notifications_picked
-- As events_picked.
SELECT log_index
FROM (
    SELECT found.*, k.log_index
    FROM unnest(%b::int8[], %b::int8[]) AS k(id, log_index)
    CROSS JOIN LATERAL (SELECT * FROM {readable} r WHERE r.id = k.id OFFSET 0) AS found
) AS placed
WHERE {conditions}
ORDER BY log_index
LIMIT %s;

-- name: events_in_order
-- As event_page, in the order of the log.
SELECT {columns}
FROM unnest(%b::uuid[], %b::date[], %b::int8[]) AS k(event_id, event_date, log_index)
JOIN audit_events e USING (event_id, event_date)
ORDER BY k.log_index;

-- name: event_keys_in_order
-- As event_keys, of those that are still there: the first of them has to be read, however large it is.
SELECT event_id, event_date, k.log_index
FROM unnest(%b::uuid[], %b::date[], %b::int8[]) AS k(event_id, event_date, log_index)
JOIN audit_events e USING (event_id, event_date)
ORDER BY k.log_index;

-- name: event_salt
-- Of a record from before the log it lies apart, by its place.
encode(coalesce(e.salt, (SELECT salt FROM log_salts WHERE log_index = k.log_index)), 'hex');

-- name: notifications_in_order
-- Those that an entry of the log names, in its order.
SELECT {columns}
FROM unnest(%b::int8[], %b::int8[]) AS k(id, log_index)
JOIN {readable} USING (id)
ORDER BY k.log_index;

-- name: notification_salt
-- As event_salt.
encode(coalesce(notification_audit.salt, (SELECT s.salt FROM log_salts s WHERE s.log_index = k.log_index)), 'hex');

-- name: notification_digest
-- Given with the salt, to those who make the commitment again.
encode(notification_audit.digest, 'hex');
