-- The statements of app/holds/store.py.

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
