-- One log of all records: what each statement that stores some leaves for it, and the log itself. What an entry is, and how
-- one gets its place, is in docs/log.md.
-- Columns without a default first, their defaults after them: PostgreSQL only notes both, whatever the size of the tables.
-- The service makes the salts of its events by itself, which is cheaper; the default is for everybody else.
ALTER TABLE audit_events ADD COLUMN salt bytea;
ALTER TABLE audit_events ADD COLUMN trace_id_from_context boolean;
ALTER TABLE audit_events ALTER COLUMN salt SET DEFAULT uuid_send(gen_random_uuid());
ALTER TABLE notification_audit ADD COLUMN salt bytea;
ALTER TABLE notification_audit ALTER COLUMN salt SET DEFAULT uuid_send(gen_random_uuid());

-- What has no place in the log yet: a row a statement, with the entries of all that it stored. Two tables that take turns,
-- 16384 rows each (log_queue): the one whose turn it is not is emptied by TRUNCATE, which no long snapshot is in the way of,
-- while deleted rows would stay.
CREATE SEQUENCE log_pending_id;
CREATE TABLE log_pending_a (
    id        bigint      PRIMARY KEY,
    count     integer     NOT NULL,
    entries   bytea       NOT NULL,
    queued_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
-- Hashes do not compress.
ALTER TABLE log_pending_a ALTER COLUMN entries SET STORAGE EXTERNAL;
CREATE TABLE log_pending_b (LIKE log_pending_a INCLUDING ALL);

-- Pending rows that no release could read: their records are stored and have no place. What lies here counts as pending,
-- for ever, until the owner has seen to it: log_queue(entries, count) lets a later release try again.
CREATE TABLE log_set_aside (
    id        bigint      PRIMARY KEY,
    count     integer     NOT NULL CHECK (count > 0),
    entries   bytea       NOT NULL,
    queued_at timestamptz NOT NULL CHECK (isfinite(queued_at)),
    why       text        NOT NULL
);

-- One row. Who holds its lock gives places; epoch grows whenever that is another one than before.
CREATE TABLE log_head (
    one    boolean PRIMARY KEY DEFAULT true CHECK (one),
    size   bigint  NOT NULL DEFAULT 0 CHECK (size >= 0),
    epoch  bigint  NOT NULL DEFAULT 0,
    holder uuid
);
INSERT INTO log_head DEFAULT VALUES;

-- The entries, 256 a row, as log_event_entry and its like make them; the last row may hold fewer.
CREATE TABLE log_bundles (
    bundle  bigint   PRIMARY KEY,
    width   smallint NOT NULL CHECK (width BETWEEN 1 AND 256),
    entries bytea    NOT NULL
);
-- The hashes of the Merkle tree as C2SP tlog-tiles lays them out: up to 256 of 32 bytes a row.
CREATE TABLE log_tiles (
    level  smallint NOT NULL CHECK (level BETWEEN 0 AND 7),
    tile   bigint   NOT NULL,
    width  smallint NOT NULL CHECK (width BETWEEN 1 AND 256),
    hashes bytea    NOT NULL CHECK (octet_length(hashes) = 32 * width),
    PRIMARY KEY (level, tile)
);
ALTER TABLE log_bundles ALTER COLUMN entries SET STORAGE EXTERNAL;
ALTER TABLE log_tiles ALTER COLUMN hashes SET STORAGE EXTERNAL;
-- From a record to its place. By a hash, since a UUID in both would cost twice as much; others may share it, so the entry
-- itself decides.
CREATE TABLE log_places (
    id_hash   bigint NOT NULL,
    log_index bigint NOT NULL
);
CREATE INDEX log_places_id ON log_places (id_hash);

-- Records from before there was a log: they are in their tables without a salt, and get one here.
CREATE TABLE log_salts (
    log_index bigint PRIMARY KEY,
    salt      bytea  NOT NULL
);
-- One row: how far they were taken in, by time of recording and by row number.
CREATE TABLE log_intake (
    one                boolean     PRIMARY KEY DEFAULT true CHECK (one),
    recorded_at        timestamptz NOT NULL DEFAULT '1970-01-01 00:00:00+00',
    event_id           uuid        NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    event_date         date        NOT NULL DEFAULT '1970-01-01',
    notification_id    bigint      NOT NULL DEFAULT 0,
    taken              bigint      NOT NULL DEFAULT 0,
    events_done        boolean     NOT NULL,
    notifications_done boolean     NOT NULL,
    finished_by        uuid,
    CHECK (finished_by IS NULL OR (events_done AND notifications_done)),
    CHECK (isfinite(recorded_at) AND isfinite(event_date) AND taken < 1000000000000000)
);
INSERT INTO log_intake (events_done, notifications_done)
SELECT NOT EXISTS (SELECT FROM audit_events), NOT EXISTS (SELECT FROM notification_audit);

-- Acts on records and on the log, which have entries of their own.
CREATE TABLE log_acts (
    act_id   uuid         PRIMARY KEY,
    kind     varchar(50)  NOT NULL CHECK (kind ~ '^[a-z_]+$'),
    acted_at timestamptz  NOT NULL DEFAULT clock_timestamp(),
    acted_by varchar(255) NOT NULL,
    details  jsonb        NOT NULL DEFAULT '{}',
    salt     bytea        NOT NULL DEFAULT uuid_send(gen_random_uuid()),
    digest   bytea        NOT NULL
);

-- The commitment to a record: its digest, and every column that the digest does not cover, behind a salt. The columns are
-- hashed as JSON with sorted keys, times in the form of the API, and so is a notification's.
CREATE TYPE log_event_columns AS (
    event_date date, parent_event_date date, recorded_at text, recorded_by text, request_id text, trace_id text,
    trace_id_from_context boolean
);
CREATE TYPE log_notification_columns AS (
    created_at text, id bigint, recorded_by text, request_id text, updated_at text
);

CREATE FUNCTION log_time(moment timestamptz) RETURNS text LANGUAGE sql STABLE
RETURN replace(to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z');

CREATE FUNCTION log_commitment(salt bytea, digest bytea, columns json) RETURNS bytea LANGUAGE sql STABLE
RETURN sha256(salt || digest || sha256(convert_to(columns::text, 'UTF8')));

-- An entry as it is kept: what it is (0 or 1 an event, 2 or 3 a notification, the even ones from before there was a log),
-- id, day as int4 of days since 2000-01-01, commitment. 4 is JSON as it stands, behind its length in two bytes.
CREATE FUNCTION log_event_entry(
    code bytea, salt bytea, digest bytea, event_id uuid, event_date date, parent_event_date date, recorded_at timestamptz,
    recorded_by varchar, request_id varchar, trace_id varchar, trace_id_from_context boolean
) RETURNS bytea LANGUAGE sql STABLE
RETURN code || uuid_send(event_id) || date_send(event_date) || log_commitment(salt, digest, row_to_json(ROW(
    event_date, parent_event_date, log_time(recorded_at), recorded_by, request_id, trace_id, trace_id_from_context
)::log_event_columns));

CREATE FUNCTION log_notification_entry(
    code bytea, salt bytea, digest bytea, id bigint, sent_at timestamptz, created_at timestamptz, updated_at timestamptz,
    recorded_by varchar, request_id varchar
) RETURNS bytea LANGUAGE sql STABLE
RETURN code || int8send(id) || date_send((sent_at AT TIME ZONE 'UTC')::date) || log_commitment(salt, digest, row_to_json(
    ROW(log_time(created_at), id, recorded_by, request_id, log_time(updated_at))::log_notification_columns
));

-- Members in the order of their names.
CREATE FUNCTION log_act_entry(act_id uuid, kind varchar, acted_at timestamptz, salt bytea, digest bytea) RETURNS bytea
LANGUAGE plpgsql STABLE AS $$
DECLARE
    entry bytea := convert_to(format(
        '{"commitment":"%s","id":"%s","kind":"%s","on":"%s","v":1}', encode(sha256(salt || digest), 'hex'), act_id, kind,
        to_char(acted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')
    ), 'UTF8');
BEGIN
    RETURN '\x04'::bytea || int2send(octet_length(entry)::smallint) || entry;
END
$$;

CREATE FUNCTION log_queue(entries bytea, count bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    number bigint;
BEGIN
    IF count = 0 THEN
        RETURN;
    END IF;
    number := nextval('log_pending_id');
    IF (number / 16384) % 2 = 0 THEN
        INSERT INTO log_pending_a VALUES (number, count, entries);
    ELSE
        INSERT INTO log_pending_b VALUES (number, count, entries);
    END IF;
END
$$;

-- With the rights of the owner: who stores records may be the release before this one, whose role has none here.
CREATE FUNCTION log_note_events() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    packed bytea;
    part   bytea;
BEGIN
    -- In the order in which they were stored. A row with no salt has no entry, and is found by that. An entry stands here
    -- once: to count the entries beside this would make each of them twice.
    SELECT string_agg(log_event_entry(
        '\x01', salt, digest, event_id, event_date, parent_event_date, recorded_at, recorded_by, request_id, trace_id,
        trace_id_from_context
    ), '') INTO packed FROM stored;
    -- A row for each 4096 entries of 53 bytes: the sequencer takes whole rows, and COPY of a million events is one statement.
    FOR start IN 1 .. coalesce(octet_length(packed), 0) BY 4096 * 53 LOOP
        part := substring(packed FROM start FOR 4096 * 53);
        PERFORM log_queue(part, octet_length(part) / 53);
    END LOOP;
    RETURN NULL;
END
$$;
CREATE FUNCTION log_note_notifications() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    packed bytea;
    part   bytea;
BEGIN
    SELECT string_agg(log_notification_entry(
        '\x03', salt, digest, id, sent_at, created_at, updated_at, recorded_by, request_id
    ), '') INTO packed FROM stored;
    FOR start IN 1 .. coalesce(octet_length(packed), 0) BY 4096 * 45 LOOP
        part := substring(packed FROM start FOR 4096 * 45);
        PERFORM log_queue(part, octet_length(part) / 45);
    END LOOP;
    RETURN NULL;
END
$$;
CREATE FUNCTION log_note_acts() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    packed bytea;
    number bigint;
BEGIN
    SELECT string_agg(log_act_entry(act_id, kind, acted_at, salt, digest), ''), count(*) INTO packed, number FROM stored;
    PERFORM log_queue(packed, number);
    RETURN NULL;
END
$$;
CREATE TRIGGER audit_events_into_log AFTER INSERT ON audit_events
    REFERENCING NEW TABLE AS stored FOR EACH STATEMENT EXECUTE FUNCTION log_note_events();
-- Each month has one as well: that of the table does not see what its owner puts straight into a month, and that of a month
-- does not see what comes through the table.
CREATE FUNCTION log_note_month(part regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER %I AFTER INSERT ON %s REFERENCING NEW TABLE AS stored '
                   'FOR EACH STATEMENT EXECUTE FUNCTION log_note_events()', 'audit_events_into_log', part);
END
$$;
SELECT log_note_month(inhrelid::regclass) FROM pg_inherits WHERE inhparent = to_regclass('audit_events');
CREATE TRIGGER notification_audit_into_log AFTER INSERT ON notification_audit
    REFERENCING NEW TABLE AS stored FOR EACH STATEMENT EXECUTE FUNCTION log_note_notifications();
CREATE TRIGGER log_acts_into_log AFTER INSERT ON log_acts
    REFERENCING NEW TABLE AS stored FOR EACH STATEMENT EXECUTE FUNCTION log_note_acts();

-- The log only grows: a bundle or tile that is not full takes more behind what it holds, and nothing is taken back.
CREATE FUNCTION log_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'log_head' THEN
        -- By as much as there are entries.
        IF NEW.epoch >= OLD.epoch AND (NEW.size = OLD.size OR NEW.size > OLD.size AND EXISTS (
            SELECT FROM log_bundles WHERE bundle = (NEW.size - 1) / 256 AND width = (NEW.size - 1) % 256 + 1
        )) THEN
            RETURN NEW;
        END IF;
    ELSIF TG_TABLE_NAME = 'log_tiles' THEN
        IF NEW.level = OLD.level AND NEW.tile = OLD.tile AND NEW.width > OLD.width
            AND substring(NEW.hashes FOR octet_length(OLD.hashes)) = OLD.hashes THEN
            RETURN NEW;
        END IF;
    ELSIF NEW.bundle = OLD.bundle AND NEW.width > OLD.width AND octet_length(NEW.entries) > octet_length(OLD.entries)
        AND substring(NEW.entries FOR octet_length(OLD.entries)) = OLD.entries THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% only grows: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = '42501';
END
$$;
-- And it has no holes: what comes next stands behind one that is full. The rows of a statement come in their order.
CREATE FUNCTION log_has_no_holes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'log_tiles' THEN
        IF NEW.tile = 0 OR EXISTS (
            SELECT FROM log_tiles WHERE level = NEW.level AND tile = NEW.tile - 1 AND width = 256
        ) THEN
            RETURN NEW;
        END IF;
    ELSIF NEW.bundle = 0 OR EXISTS (SELECT FROM log_bundles WHERE bundle = NEW.bundle - 1 AND width = 256) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% has no holes: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = '42501';
END
$$;
CREATE TRIGGER log_bundles_no_holes BEFORE INSERT ON log_bundles FOR EACH ROW EXECUTE FUNCTION log_has_no_holes();
CREATE TRIGGER log_tiles_no_holes BEFORE INSERT ON log_tiles FOR EACH ROW EXECUTE FUNCTION log_has_no_holes();
CREATE TRIGGER log_head_only_grows BEFORE UPDATE ON log_head FOR EACH ROW EXECUTE FUNCTION log_only_grows();
CREATE TRIGGER log_bundles_only_grows BEFORE UPDATE ON log_bundles FOR EACH ROW EXECUTE FUNCTION log_only_grows();
CREATE TRIGGER log_tiles_only_grows BEFORE UPDATE ON log_tiles FOR EACH ROW EXECUTE FUNCTION log_only_grows();

-- How far old records were taken in never goes back, and is at its end only where none is left behind it.
CREATE FUNCTION log_intake_goes_on() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.finished_by IS NOT NULL
        OR (NEW.recorded_at, NEW.event_id, NEW.event_date) < (OLD.recorded_at, OLD.event_id, OLD.event_date)
        OR NEW.notification_id < OLD.notification_id OR NEW.taken < OLD.taken
        OR NEW.events_done < OLD.events_done OR NEW.notifications_done < OLD.notifications_done
        OR NEW.events_done > OLD.events_done AND EXISTS (
            SELECT FROM audit_events
            WHERE salt IS NULL AND (recorded_at, event_id, event_date) > (NEW.recorded_at, NEW.event_id, NEW.event_date)
        )
        OR NEW.notifications_done > OLD.notifications_done AND EXISTS (
            SELECT FROM notification_audit WHERE salt IS NULL AND id > NEW.notification_id
        ) THEN
        RAISE EXCEPTION 'log_intake only goes on, and ends behind the last old record: % refused', TG_OP
            USING ERRCODE = '42501';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER log_intake_goes_on BEFORE UPDATE ON log_intake FOR EACH ROW EXECUTE FUNCTION log_intake_goes_on();

-- As it was, and with the trigger of the log.
CREATE OR REPLACE FUNCTION audit_ensure_partition(day date) RETURNS boolean
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
    PERFORM pg_advisory_xact_lock(hashtext('audit_ensure_partition'));
    IF EXISTS (SELECT FROM audit_partition_months() AS month WHERE month = first) THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE audit_events INCLUDING ALL)', part);
    EXECUTE format('ALTER TABLE %I ADD CONSTRAINT %I CHECK (event_date >= %L AND event_date < %L)',
                   part, part || '_month', first, next);
    EXECUTE format('ALTER TABLE audit_events ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', part, first, next);
    EXECUTE format('ALTER TABLE %I DROP CONSTRAINT %I', part, part || '_month');
    EXECUTE format('CREATE TRIGGER %I BEFORE TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change()',
                   part || '_no_truncate', part);
    PERFORM log_note_month(part::regclass);
    RETURN true;
END
$$;

DO $$
DECLARE
    kept    text;
    changes text;
    -- Temporary tables come last in the look-up, so that nobody can put one of theirs in the place of ours.
    path    text := format('SET search_path TO %I, pg_temp', current_schema());
BEGIN
    FOR kept, changes IN VALUES
        ('log_head', 'DELETE'), ('log_bundles', 'DELETE'), ('log_tiles', 'DELETE'), ('log_intake', 'DELETE'),
        ('log_places', 'UPDATE OR DELETE'), ('log_salts', 'UPDATE OR DELETE'), ('log_acts', 'UPDATE OR DELETE')
    LOOP
        EXECUTE format('CREATE TRIGGER %I BEFORE %s ON %I FOR EACH ROW EXECUTE FUNCTION audit_refuse_change()',
                       kept || '_no_change', changes, kept);
        EXECUTE format('CREATE TRIGGER %I BEFORE TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change()',
                       kept || '_no_truncate', kept);
    END LOOP;
    EXECUTE 'ALTER FUNCTION log_note_events() ' || path;
    EXECUTE 'ALTER FUNCTION log_note_notifications() ' || path;
    EXECUTE 'ALTER FUNCTION log_note_acts() ' || path;
    EXECUTE 'ALTER FUNCTION log_intake_goes_on() ' || path;
    EXECUTE 'ALTER FUNCTION log_only_grows() ' || path;
    EXECUTE 'ALTER FUNCTION log_has_no_holes() ' || path;
    EXECUTE 'ALTER FUNCTION audit_ensure_partition(date) ' || path;
END
$$;
REVOKE ALL ON FUNCTION log_note_events(), log_note_notifications(), log_note_acts(), log_queue(bytea, bigint),
    log_note_month(regclass) FROM PUBLIC;
