-- The statements of app/audit/queries.py. Keys are picked first, from an index and inside a LIMIT; the wide rows are read
-- for those alone.

-- name: event_keys
-- Newest first; event_id makes the order total, so that a cursor is exact.
SELECT event_id, event_date
FROM audit_events
WHERE {conditions}
ORDER BY event_timestamp DESC, event_id DESC
LIMIT %s OFFSET %s;

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
-- The newest, if its id was used on several days.
SELECT {columns}
FROM audit_events e
WHERE event_id = %s
ORDER BY event_timestamp DESC, event_date DESC
LIMIT 1;

-- name: notification_page
-- A row is bounded by the lengths of its members, 13 KB at the most, so a page of them can be read whole.
SELECT {columns}
FROM notification_audit
WHERE {conditions}
ORDER BY sent_at DESC, id DESC
LIMIT %s OFFSET %s;

-- name: count_events
-- Only where a page does not show by itself how many there are.
SELECT count(*) FROM audit_events WHERE {conditions};

-- name: count_notifications
-- As count_events.
SELECT count(*) FROM notification_audit WHERE {conditions};
