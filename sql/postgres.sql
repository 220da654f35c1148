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
