-- Legal holds: what one takes that is not released may be neither removed nor erased, by nobody and for no other reason.
-- Whoever removes or erases asks audit_filter_takes_event and audit_filter_takes_notification.
CREATE TABLE audit_holds (
    hold_id        uuid          PRIMARY KEY,
    name           varchar(255)  NOT NULL,
    reason         varchar(4096) NOT NULL,
    -- The filters of lists by their names, and kinds: the kinds of records that it takes. Times are RFC 3339 in UTC.
    filter         jsonb         NOT NULL CHECK (jsonb_typeof(filter -> 'kinds') IS NOT DISTINCT FROM 'array'),
    set_at         timestamptz   NOT NULL CHECK (set_at BETWEEN '0001-01-01Z' AND '9999-12-31Z'),
    set_by         varchar(255),
    -- The act commits to name, reason and filter behind this salt: they may be erased one day, and the act may not.
    set_act        uuid          NOT NULL UNIQUE REFERENCES log_acts (act_id),
    set_salt       bytea         NOT NULL CHECK (octet_length(set_salt) = 16),
    released_at    timestamptz   CHECK (released_at BETWEEN '0001-01-01Z' AND '9999-12-31Z'),
    released_by    varchar(255),
    release_reason varchar(4096),
    release_act    uuid          UNIQUE REFERENCES log_acts (act_id),
    release_salt   bytea         CHECK (octet_length(release_salt) = 16),
    CHECK (num_nulls(released_at, release_reason, release_act, release_salt) IN (0, 4)),
    CHECK (released_at IS NOT NULL OR released_by IS NULL),
    -- One that cannot be read as a time, whatever a session's settings are, would make every later look for holds fail; and
    -- a hold with a time that cannot be shown every list of them. No hold is ever deleted.
    CONSTRAINT audit_holds_since CHECK (
        filter ->> 'since' ~ '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z$' AND isfinite((filter ->> 'since')::timestamptz)
    ),
    CONSTRAINT audit_holds_until CHECK (
        filter ->> 'until' ~ '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z$' AND isfinite((filter ->> 'until')::timestamptz)
    )
);
CREATE INDEX audit_holds_newest ON audit_holds (set_at DESC, hold_id DESC);
CREATE INDEX audit_holds_in_force ON audit_holds (set_at) WHERE released_at IS NULL;

-- A hold is set, and released once: not even the owner changes one otherwise by accident.
CREATE FUNCTION audit_hold_is_only_released() RETURNS trigger LANGUAGE plpgsql SET search_path TO pg_catalog, pg_temp AS $$
BEGIN
    IF OLD.released_at IS NULL AND NEW.released_at IS NOT NULL
        AND (NEW.hold_id, NEW.name, NEW.reason, NEW.filter, NEW.set_at, NEW.set_by, NEW.set_act, NEW.set_salt)
            IS NOT DISTINCT FROM
            (OLD.hold_id, OLD.name, OLD.reason, OLD.filter, OLD.set_at, OLD.set_by, OLD.set_act, OLD.set_salt) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'a hold is released once, and nothing else of it changes: % refused', TG_OP USING ERRCODE = '42501';
END
$$;
CREATE TRIGGER audit_holds_only_released BEFORE UPDATE ON audit_holds
    FOR EACH ROW EXECUTE FUNCTION audit_hold_is_only_released();
CREATE TRIGGER audit_holds_no_change BEFORE DELETE ON audit_holds
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER audit_holds_no_truncate BEFORE TRUNCATE ON audit_holds
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();

-- Whether a filter takes an event: as the list of events with these filters has it. A filter that this does not know takes
-- nothing away, so that a hold of a later release holds too much here rather than too little.
CREATE FUNCTION audit_filter_takes_event(filter jsonb, e audit_events) RETURNS boolean LANGUAGE sql STABLE
RETURN coalesce(
    filter -> 'kinds' ? 'audit_event'
    AND (NOT filter ? 'event_type' OR e.event_type = filter ->> 'event_type')
    AND (NOT filter ? 'event_category' OR e.event_category = filter ->> 'event_category')
    AND (NOT filter ? 'event_outcome' OR e.event_outcome = filter ->> 'event_outcome')
    AND (NOT filter ? 'severity' OR e.severity = filter ->> 'severity')
    AND (NOT filter ? 'correlation_id' OR e.correlation_id = filter ->> 'correlation_id')
    AND (NOT filter ? 'actor_type' OR e.actor_type = filter ->> 'actor_type')
    AND (NOT filter ? 'actor_id' OR e.actor_id = filter ->> 'actor_id')
    AND (NOT filter ? 'resource_type' OR e.resource_type = filter ->> 'resource_type')
    AND (NOT filter ? 'resource_id' OR e.resource_id = filter ->> 'resource_id')
    AND (NOT filter ? 'namespace' OR e.namespace = filter ->> 'namespace')
    AND (NOT filter ? 'cluster_name' OR e.cluster_name = filter ->> 'cluster_name')
    AND (NOT filter ? 'request_id' OR e.request_id = filter ->> 'request_id')
    AND (NOT filter ? 'since' OR e.event_timestamp >= (filter ->> 'since')::timestamptz)
    AND (NOT filter ? 'until' OR e.event_timestamp <= (filter ->> 'until')::timestamptz)
    AND (NOT filter ? 'data' OR e.event_data @> (filter -> 'data')),
    false
);

-- As audit_filter_takes_event.
CREATE FUNCTION audit_filter_takes_notification(filter jsonb, n notification_audit) RETURNS boolean LANGUAGE sql STABLE
RETURN coalesce(
    filter -> 'kinds' ? 'notification'
    AND (NOT filter ? 'remediation_id' OR n.remediation_id = filter ->> 'remediation_id')
    AND (NOT filter ? 'channel' OR n.channel = filter ->> 'channel')
    AND (NOT filter ? 'status' OR n.status = filter ->> 'status')
    AND (NOT filter ? 'since' OR n.sent_at >= (filter ->> 'since')::timestamptz)
    AND (NOT filter ? 'until' OR n.sent_at <= (filter ->> 'until')::timestamptz),
    false
);

-- Who sets a hold has this lock to the end of the transaction, and who removes or erases has it shared, before the look for
-- holds and until what is removed is gone: from the answer on, no removal that began before goes on.
CREATE FUNCTION audit_holds_lock() RETURNS bigint LANGUAGE sql IMMUTABLE RETURN 730641900000001;

-- Sets a hold, with its act. SECURITY DEFINER because acts are the owner's to store, and a hold has none otherwise.
CREATE FUNCTION audit_set_hold(
    hold_id uuid, name text, reason text, filter jsonb, set_at timestamptz, set_by text, set_salt bytea,
    act_id uuid, details jsonb, digest bytea
) RETURNS void LANGUAGE sql SECURITY DEFINER
BEGIN ATOMIC
    SELECT pg_advisory_xact_lock(audit_holds_lock());
    INSERT INTO log_acts (act_id, kind, acted_at, acted_by, details, digest)
    VALUES (act_id, 'hold_set', set_at, session_user, details, digest);
    INSERT INTO audit_holds (hold_id, name, reason, filter, set_at, set_by, set_act, set_salt)
    VALUES (hold_id, name, reason, filter, set_at, set_by, act_id, set_salt);
END;

-- Releases a hold, with its act; false where there is none that is in force.
CREATE FUNCTION audit_release_hold(
    held uuid, why text, at timestamptz, by_whom text, salt bytea, act_id uuid, details jsonb, digest bytea
) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM FROM audit_holds WHERE hold_id = held AND released_at IS NULL FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO log_acts (act_id, kind, acted_at, acted_by, details, digest)
    VALUES (act_id, 'hold_released', at, session_user, details, digest);
    UPDATE audit_holds
    SET released_at = at, released_by = by_whom, release_reason = why, release_act = act_id, release_salt = salt
    WHERE hold_id = held;
    RETURN true;
END
$$;
DO $$
DECLARE
    -- Temporary tables come last in the look-up, so that nobody can put one of theirs in the place of ours.
    path text := format('SET search_path TO %I, pg_temp', current_schema());
BEGIN
    EXECUTE 'ALTER FUNCTION audit_set_hold(uuid, text, text, jsonb, timestamptz, text, bytea, uuid, jsonb, bytea) ' || path;
    EXECUTE 'ALTER FUNCTION audit_release_hold(uuid, text, timestamptz, text, bytea, uuid, jsonb, bytea) ' || path;
END
$$;
REVOKE ALL ON FUNCTION audit_set_hold(uuid, text, text, jsonb, timestamptz, text, bytea, uuid, jsonb, bytea),
    audit_release_hold(uuid, text, timestamptz, text, bytea, uuid, jsonb, bytea) FROM PUBLIC;
