-- Audit events, notifications, and what keeps them append-only.
-- Run by `datastorage migrate` as the role that owns the tables; never edited once released.

-- One row per event. event_date is the UTC date of event_timestamp, computed by the service: a primary key must
-- hold the partition key, and the same event must land in the same partition whenever it is written.
CREATE TABLE audit_events (
    event_id          uuid          NOT NULL,
    event_date        date          NOT NULL,
    event_version     varchar(20)   NOT NULL,
    event_type        varchar(100)  NOT NULL,
    event_timestamp   timestamptz   NOT NULL,
    event_category    varchar(50)   NOT NULL,
    event_action      varchar(50)   NOT NULL,
    event_outcome     varchar(20)   NOT NULL,
    correlation_id    varchar(255)  NOT NULL,
    event_data        jsonb         NOT NULL,
    actor_type        varchar(50)   NOT NULL,
    actor_id          varchar(255)  NOT NULL,
    resource_type     varchar(50)   NOT NULL,
    resource_id       varchar(255)  NOT NULL,
    parent_event_id   uuid,
    parent_event_date date,
    namespace         varchar(253),
    cluster_name      varchar(255),
    severity          varchar(20),
    duration_ms       integer,
    trace_id          varchar(255),
    span_id           varchar(255),
    actor_ip          inet,
    error_code        varchar(50),
    error_message     varchar(4096),
    is_sensitive      boolean       NOT NULL DEFAULT false,
    retention_days    integer       NOT NULL DEFAULT 2555,
    recorded_at       timestamptz   NOT NULL DEFAULT clock_timestamp(),
    recorded_by       varchar(255),
    digest            bytea         NOT NULL,
    PRIMARY KEY (event_id, event_date)
) PARTITION BY RANGE (event_date);

-- Every list is newest first with event_id as tie-breaker: this index gives that order to all of them.
CREATE INDEX audit_events_newest ON audit_events (event_timestamp DESC, event_id DESC);
-- Filters that pick few rows out of many have an index of their own, in the same order. The others (category,
-- outcome, severity, the types, namespace, cluster) mostly pick many rows and walk audit_events_newest; where a value
-- is rare or unknown, audit_events_kinds finds that out by skip scan over any of its columns. It has few distinct
-- entries, so deduplication keeps it small and cheap to write.
CREATE INDEX audit_events_kinds
    ON audit_events (event_category, severity, actor_type, resource_type, cluster_name, namespace);
CREATE INDEX audit_events_correlation ON audit_events (correlation_id, event_timestamp DESC, event_id DESC);
CREATE INDEX audit_events_type ON audit_events (event_type, event_timestamp DESC, event_id DESC);
CREATE INDEX audit_events_actor ON audit_events (actor_id, event_timestamp DESC, event_id DESC);
CREATE INDEX audit_events_resource ON audit_events (resource_id, event_timestamp DESC, event_id DESC);
-- data=… asks for containment (@>), which is what jsonb_path_ops serves.
CREATE INDEX audit_events_data ON audit_events USING gin (event_data jsonb_path_ops);

CREATE TABLE notification_audit (
    id               bigint        GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    remediation_id   varchar(255)  NOT NULL,
    notification_id  varchar(255)  NOT NULL UNIQUE,
    recipient        varchar(500)  NOT NULL,
    channel          varchar(50)   NOT NULL,
    message_summary  varchar(1000) NOT NULL,
    status           varchar(50)   NOT NULL,
    sent_at          timestamptz   NOT NULL,
    delivery_status  varchar(255),
    error_message    varchar(1000),
    escalation_level integer       NOT NULL DEFAULT 0,
    created_at       timestamptz   NOT NULL DEFAULT clock_timestamp(),
    updated_at       timestamptz   NOT NULL DEFAULT clock_timestamp(),
    recorded_by      varchar(255),
    digest           bytea         NOT NULL
);
CREATE INDEX notification_audit_newest ON notification_audit (sent_at DESC, id DESC);
CREATE INDEX notification_audit_remediation ON notification_audit (remediation_id, sent_at DESC, id DESC);

-- Append-only: not even the owner changes a row by accident.
CREATE FUNCTION audit_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = '42501';
END
$$;
-- A row trigger on a partitioned table is cloned to every partition; a statement trigger is not, so
-- audit_ensure_partition makes the one for TRUNCATE.
CREATE TRIGGER audit_events_no_change BEFORE UPDATE OR DELETE ON audit_events
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER audit_events_no_truncate BEFORE TRUNCATE ON audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER notification_audit_no_change BEFORE UPDATE OR DELETE ON notification_audit
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER notification_audit_no_truncate BEFORE TRUNCATE ON notification_audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();

-- The months that have a partition, as first days.
CREATE FUNCTION audit_partition_months() RETURNS SETOF date LANGUAGE sql VOLATILE AS $$
    SELECT to_date(right(c.relname, 7), 'YYYY_MM')
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = to_regclass('audit_events') AND c.relname ~ '^audit_events_\d{4}_\d{2}$'
$$;

-- Makes the partition of the month that holds the given day; true if it was missing. SECURITY DEFINER because
-- ATTACH needs ownership of the parent, which the service's role does not have.
CREATE FUNCTION audit_ensure_partition(day date) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET lock_timeout = '900ms' AS $$
DECLARE
    first date := date_trunc('month', day::timestamp)::date;
    next  date := (date_trunc('month', day::timestamp) + interval '1 month')::date;
    part  text := 'audit_events_' || to_char(first, 'YYYY_MM');
BEGIN
    IF day < date '2000-01-01' OR day >= date '2200-01-01' THEN
        RAISE EXCEPTION 'no partition for %', day USING ERRCODE = '22008';
    END IF;
    IF EXISTS (SELECT FROM audit_partition_months() AS month WHERE month = first) THEN
        RETURN false;
    END IF;
    -- Two instances may want the same month at once; the second finds it made. Looked up in the catalog by a query,
    -- which sees what was committed while it waited; to_regclass would answer from before.
    PERFORM pg_advisory_xact_lock(hashtext('audit_ensure_partition'));
    IF EXISTS (SELECT FROM audit_partition_months() AS month WHERE month = first) THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE audit_events INCLUDING ALL)', part);
    -- With the CHECK in place ATTACH need not scan, and it takes no lock that stops writers to other months.
    EXECUTE format('ALTER TABLE %I ADD CONSTRAINT %I CHECK (event_date >= %L AND event_date < %L)',
                   part, part || '_month', first, next);
    EXECUTE format('ALTER TABLE audit_events ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', part, first, next);
    EXECUTE format('ALTER TABLE %I DROP CONSTRAINT %I', part, part || '_month');
    EXECUTE format('CREATE TRIGGER %I BEFORE TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change()',
                   part || '_no_truncate', part);
    RETURN true;
END
$$;
-- Temporary tables come last in the look-up, so that nobody can put one of theirs in the place of ours.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION audit_ensure_partition(date) SET search_path TO %I, pg_temp', current_schema());
END
$$;
REVOKE ALL ON FUNCTION audit_ensure_partition(date) FROM PUBLIC;
