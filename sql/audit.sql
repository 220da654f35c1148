-- The statements of app/audit/store.py: what a flush writes, and what it looks up to settle the outcome of a request.

-- name: insert_events
-- Any number of events in one round trip and with one parameter, a JSON array of `AuditEvent.row`. The rows are made in
-- the request threads, together with the digest; a flush only puts them one behind the other. ON CONFLICT makes a
-- repeated write harmless; the keys that come back are those of the new rows. Salts come out of 32 random bytes that are
-- kept nowhere, one hash each: PostgreSQL would ask the kernel for every one of them.
WITH secret AS MATERIALIZED (SELECT uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) AS secret)
INSERT INTO audit_events (
    event_id, event_date, event_version, event_type, event_timestamp, event_category, event_action, event_outcome,
    correlation_id, event_data, actor_type, actor_id, resource_type, resource_id, parent_event_id, parent_event_date,
    namespace, cluster_name, severity, duration_ms, trace_id, span_id, actor_ip, error_code, error_message,
    is_sensitive, retention_days, recorded_by, request_id, digest, trace_id_from_context, salt
)
SELECT
    event_id, event_date, version, event_type, event_timestamp, event_category, event_action, event_outcome,
    correlation_id, event_data, actor_type, actor_id, resource_type, resource_id, parent_event_id, parent_event_date,
    namespace, cluster_name, severity, duration_ms, trace_id, span_id, actor_ip, error_code, error_message,
    is_sensitive, retention_days, recorded_by, request_id, digest, coalesce(trace_id_from_context, false),
    substring(sha256(secret.secret || uuid_send(event_id)) FOR 16)
FROM secret, json_to_recordset(%s) AS u(
    event_id uuid, event_date date, version text, event_type text, event_timestamp timestamptz, event_category text,
    event_action text, event_outcome text, correlation_id text, event_data jsonb, actor_type text, actor_id text,
    resource_type text, resource_id text, parent_event_id uuid, parent_event_date date, namespace text,
    cluster_name text, severity text, duration_ms int4, trace_id text, span_id text, actor_ip inet, error_code text,
    error_message text, is_sensitive bool, retention_days int4, recorded_by text, request_id text,
    digest bytea, trace_id_from_context bool
)
ON CONFLICT (event_id, event_date) DO NOTHING
RETURNING event_id, event_date;

-- name: insert_notifications
-- One array for each column, since a notification has no JSON row of its own.
INSERT INTO notification_audit (
    remediation_id, notification_id, recipient, channel, message_summary, status, sent_at, delivery_status,
    error_message, escalation_level, recorded_by, request_id, digest
)
SELECT
    remediation_id, notification_id, recipient, channel, message_summary, status, sent_at, delivery_status,
    error_message, escalation_level, recorded_by, request_id, digest
FROM unnest(
    %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::timestamptz[], %b::text[],
    %b::text[], %b::int4[], %b::text[], %b::text[], %b::bytea[]
) AS u(
    remediation_id, notification_id, recipient, channel, message_summary, status, sent_at, delivery_status,
    error_message, escalation_level, recorded_by, request_id, digest
)
ON CONFLICT (notification_id) DO NOTHING
RETURNING notification_id, id, created_at, updated_at;

-- name: event_digests
-- The digests of events that were there already: equal ones are duplicates, others are conflicts.
SELECT e.event_id, e.event_date, e.digest
FROM unnest(%b::uuid[], %b::date[]) AS u(event_id, event_date)
JOIN audit_events e USING (event_id, event_date);

-- name: notification_digests
-- As event_digests, for notifications.
SELECT notification_id, digest FROM notification_audit WHERE notification_id = ANY(%b::text[]);

-- name: parents
-- The day of each parent, which its children store beside its id. The newest, if an id was used on several days; of those
-- that the writer may read (app/audit/readable.py).
SELECT event_id, max(event_date) FROM {readable} e WHERE event_id = ANY(%b::uuid[]) GROUP BY event_id;
