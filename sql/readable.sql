-- The rows that a reader with limits may read (app/audit/readable.py): what stands in the place of a table's name in the
-- statements that read it.

-- name: rows
-- For look-ups by key. PostgreSQL finds the row by its key first.
(SELECT * FROM {table} WHERE {limits});

-- name: rows_to_count
-- OFFSET 0 is a fence: nothing that is asked for gets behind it, where it would make PostgreSQL take another index and walk
-- through the rows of others.
(SELECT * FROM audit_events WHERE {limits} OFFSET 0) AS audit_events;

-- name: newest_of_each
-- The newest rows of each value that may be read, from the value's own range of an index, as many as a page can need. With
-- the fence, as in rows_to_count, what is read depends on what may be read alone.
SELECT newest.*
FROM {allowed}
CROSS JOIN LATERAL (
    SELECT event_id, event_date, event_timestamp
    FROM (
        SELECT * FROM audit_events
        WHERE {limits}
        ORDER BY event_timestamp DESC, event_id DESC
        OFFSET 0
    ) AS readable
    WHERE {conditions}
    ORDER BY event_timestamp DESC, event_id DESC
    LIMIT %s
) AS newest;
