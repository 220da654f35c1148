-- The statements of app/workflows/store.py.

-- name: lock_names
-- Creates of one name wait for each other. Few locks, so that a batch of a thousand names does not fill the server's lock
-- table, and always in the same order, so that two batches cannot wait for each other.
SELECT pg_advisory_xact_lock(%s, bucket)
FROM (
    SELECT DISTINCT (hashtextextended(name, 0) & %s)::int AS bucket FROM unnest(%s::text[]) AS name ORDER BY bucket
) AS buckets;

-- name: taken
-- Names and versions that the catalogue has: a create that repeats one says which, and stores nothing.
SELECT workflow_name, version
FROM unnest(%s::text[], %s::text[]) AS u(workflow_name, version)
JOIN remediation_workflow_catalog USING (workflow_name, version);

-- name: take_flag
-- Before the new latest versions come in: a name has one at most.
UPDATE remediation_workflow_catalog SET is_latest_version = false, updated_at = clock_timestamp()
WHERE is_latest_version AND workflow_name = ANY(%s::text[]);

-- name: insert
-- The clock is read once a row, as the row is inserted: the array's order is the order of created_at.
INSERT INTO remediation_workflow_catalog ({columns}, disabled_at, created_at, updated_at)
SELECT {values}, CASE WHEN status = 'disabled' THEN at END, at, at
FROM (
    SELECT *, clock_timestamp() AS at FROM unnest({arrays}) AS u({columns}) OFFSET 0
) AS rows
RETURNING {returned};

-- name: update
-- All times of one change are the same moment.
UPDATE remediation_workflow_catalog SET {assignments}
FROM (SELECT clock_timestamp() AS at OFFSET 0) AS clock
WHERE workflow_id = %s
RETURNING {returned};

-- name: by_id
-- Of any status and version.
SELECT {columns} FROM remediation_workflow_catalog WHERE workflow_id = %s;

-- name: latest
-- Of any status: a name has one latest version at most.
SELECT {columns} FROM remediation_workflow_catalog WHERE workflow_name = %s AND is_latest_version;

-- name: page_keys
-- Newest first; workflow_id makes the order total, so that a cursor is exact.
SELECT workflow_id
FROM remediation_workflow_catalog
WHERE {conditions}
ORDER BY created_at DESC, workflow_id
LIMIT %s OFFSET %s;

-- name: page_rows
-- For fitting_rows of pages.sql, which puts them in the order of n.
SELECT {columns}, n, found FROM ({keys}) AS k JOIN remediation_workflow_catalog USING (workflow_id);

-- name: count
-- Only where a page does not show by itself how many there are.
SELECT count(*) FROM remediation_workflow_catalog WHERE {conditions};
