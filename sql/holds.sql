-- The statements of app/holds, and of app/dlq/held.py.

-- name: now_and_who
-- The server's clock, and the role that logged in: functions of the owner's note that one.
SELECT clock_timestamp(), session_user;

-- name: set
-- With its act.
SELECT audit_set_hold(%s, %s, %s, %s::jsonb, %s, %s, %s, %s, %s::jsonb, %s);

-- name: release
-- With its act; false where none of this id is in force.
SELECT audit_release_hold(%s, %s, %s, %s, %s, %s, %s::jsonb, %s);

-- name: one
-- Released or not.
SELECT {columns} FROM audit_holds WHERE hold_id = %s;

-- name: page_keys
-- Newest first; hold_id makes the order total, so that a cursor is exact.
SELECT hold_id
FROM audit_holds
WHERE {conditions}
ORDER BY set_at DESC, hold_id DESC
LIMIT %s OFFSET %s;

-- name: page_rows
-- For fitting_rows of pages.sql, which puts them in the order of n.
SELECT {columns}, n, found FROM ({keys}) AS k JOIN audit_holds USING (hold_id);

-- name: count
-- Only where a page does not show by itself how many there are.
SELECT count(*) FROM audit_holds WHERE {conditions};

-- name: active
-- Now and then, for a metric.
SELECT count(*) FROM audit_holds WHERE released_at IS NULL;

-- name: keep_out_new_holds
-- Until the end of the transaction nobody sets one; a statement of its own, so that the next one sees what was set before.
SELECT pg_advisory_xact_lock_shared(audit_holds_lock());

-- name: of_event
-- Holds in force that take an event which is not stored.
SELECT h.hold_id
FROM audit_holds h, jsonb_populate_record(NULL::audit_events, %s::jsonb) AS e
WHERE h.released_at IS NULL AND audit_filter_takes_event(h.filter, e)
ORDER BY h.set_at
LIMIT %s;

-- name: of_notification
-- As of_event.
SELECT h.hold_id
FROM audit_holds h, jsonb_populate_record(NULL::notification_audit, %s::jsonb) AS n
WHERE h.released_at IS NULL AND audit_filter_takes_notification(h.filter, n)
ORDER BY h.set_at
LIMIT %s;

-- name: any
-- For what cannot be read: nobody knows which of them it is under.
SELECT hold_id FROM audit_holds WHERE released_at IS NULL ORDER BY set_at LIMIT %s;
