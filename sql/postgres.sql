-- The statements of app/postgres, about the server, its sessions and its schemas.

-- name: inspect
-- What the monitor has to know of a server that answers, in one round trip: whether it is migrated, whether the service
-- may write, and whether what it commits is kept through a crash.
SELECT
    to_regclass('schema_migrations') IS NOT NULL,
    coalesce(has_table_privilege(to_regclass('audit_events'), 'INSERT'), false)
        AND coalesce(has_table_privilege(to_regclass('notification_audit'), 'INSERT'), false),
    current_setting('fsync') = 'on' AND current_setting('full_page_writes') = 'on';

-- name: pin
-- One statement: whether this is the server's own process, and if it is, the settings. A pooler has another one behind it.
SELECT count(set_config(s.name, s.value, false))
FROM unnest(%s::text[], %s::text[]) AS s(name, value)
WHERE pg_backend_pid() = %s;

-- name: homes
-- The schemas that hold the tables: where there is one already, no second set is made beside it.
SELECT n.nspname
FROM pg_class e
JOIN pg_namespace n ON n.oid = e.relnamespace
WHERE e.relname = 'audit_events' AND e.relkind = 'p'
    AND EXISTS (SELECT FROM pg_class m WHERE m.relname = 'schema_migrations' AND m.relnamespace = n.oid)
ORDER BY n.nspname;

-- name: lock_holders
-- Who may be in the way of a migration: the other transactions with a lock on one of our relations, or on the number by
-- which migrations wait for each other; and, if asked for, those with a snapshot, which CREATE INDEX CONCURRENTLY waits
-- for. One that is there at two looks is one that lasts.
SELECT DISTINCT l.virtualtransaction, l.pid, coalesce(a.usename, a.backend_type), a.application_name, a.xact_start
FROM pg_locks l
LEFT JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.granted AND l.pid IS DISTINCT FROM pg_backend_pid() AND (
    l.locktype = 'relation' AND l.relation IN (SELECT oid FROM pg_class WHERE relnamespace = to_regnamespace(%(schema)s))
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    OR l.locktype = 'advisory' AND l.objid = %(lock)s
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    OR %(snapshots)s AND l.locktype = 'virtualxid' AND a.backend_xmin IS NOT NULL AND a.datname = current_database()
)
ORDER BY a.xact_start NULLS LAST, l.pid;

-- name: index_gaps
-- The partitions that have no part of an index yet, newest first: their names, and whether what an earlier try left there
-- is whole; NULL if it left nothing.
SELECT part.relname, own.indisvalid
FROM pg_inherits i
JOIN pg_class part ON part.oid = i.inhrelid
LEFT JOIN pg_class named ON named.relnamespace = part.relnamespace AND named.relname = part.relname || %(suffix)s
LEFT JOIN pg_index own ON own.indexrelid = named.oid AND own.indrelid = part.oid
WHERE i.inhparent = to_regclass('audit_events')
    AND NOT EXISTS (
        SELECT FROM pg_inherits attached
        JOIN pg_index x ON x.indexrelid = attached.inhrelid
        WHERE attached.inhparent = to_regclass(%(index)s) AND x.indrelid = part.oid
    )
ORDER BY part.relname DESC;
