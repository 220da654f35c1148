-- The statements of app/audit/queries.py. Keys are picked first, from an index and inside a LIMIT; the wide rows are read
-- for those alone. {readable} is what the reader may read (app/audit/readable.py): without limits the table itself.

-- name: event_keys
-- Newest first; event_id makes the order total, so that a cursor is exact.
SELECT event_id, event_date
FROM {readable}
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
-- The newest that may be read, if its id was used on several days.
SELECT {columns}
FROM {readable} e
WHERE event_id = %s
ORDER BY event_timestamp DESC, event_date DESC
LIMIT 1;

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
