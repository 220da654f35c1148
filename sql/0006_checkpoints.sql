-- Checkpoints of the log: what was signed, and under which name. docs/log.md says in which order.
-- Its name: what stands in its checkpoints. NULL: nothing was signed yet.
ALTER TABLE log_head ADD COLUMN origin varchar(255);
-- The size up to which the tree was last found to continue all that is remembered, in a commit of its own before it is signed.
ALTER TABLE log_head ADD COLUMN proven bigint NOT NULL DEFAULT 0;
-- The memories outside PostgreSQL that it was found to continue then: an operator's command that does not know of one of them
-- would leave out what that remembers.
ALTER TABLE log_head ADD COLUMN memories text[] NOT NULL DEFAULT '{}';
-- Why nothing is signed for now, and when that was last tried in vain. NULL: all is well.
ALTER TABLE log_head ADD COLUMN unsigned text;
ALTER TABLE log_head ADD COLUMN tried_at timestamptz;
-- What the log contradicts: nothing is signed and no place given any more. NULL: all is well.
ALTER TABLE log_head ADD COLUMN inconsistent text;

CREATE TABLE log_checkpoints (
    origin    varchar(255) NOT NULL,
    size      bigint       NOT NULL CHECK (size >= 0),
    root      bytea        NOT NULL CHECK (octet_length(root) = 32),
    epoch     bigint       NOT NULL,
    note      text         NOT NULL,
    signed_at timestamptz  NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (origin, size)
);
-- What witnesses have said of them, each line checked before it came here. Who said it is told by the verifier key: names of
-- witnesses are those of a policy, which may change. By size last: asked for is how far each witness has come.
CREATE TABLE log_cosignatures (
    origin      varchar(255) NOT NULL,
    witness     text         NOT NULL,
    size        bigint       NOT NULL,
    line        text         NOT NULL,
    received_at timestamptz  NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (origin, witness, size)
);
CREATE TRIGGER log_checkpoints_no_change BEFORE UPDATE OR DELETE ON log_checkpoints
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER log_checkpoints_no_truncate BEFORE TRUNCATE ON log_checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
-- What was signed has its place, and none can be taken by who has the service's role and no key: a row beyond the log would
-- be larger than any to come.
CREATE FUNCTION log_checkpoint_fits() RETURNS trigger LANGUAGE plpgsql SET search_path TO pg_catalog, pg_temp AS $$
DECLARE
    head record;
BEGIN
    EXECUTE format('SELECT origin, size FROM %I.log_head', TG_TABLE_SCHEMA) INTO head;
    IF NEW.origin = head.origin AND NEW.size <= head.size THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'log_checkpoints takes trees of the log as log_head names it, up to its size' USING ERRCODE = '42501';
END
$$;
CREATE TRIGGER log_checkpoints_fit BEFORE INSERT ON log_checkpoints FOR EACH ROW EXECUTE FUNCTION log_checkpoint_fits();

-- A log gets its name once, and what was found to contradict it stays written: another name, and going on, are the
-- owner's (`datastorage log new-origin`).
CREATE FUNCTION log_keeps_its_name() RETURNS trigger LANGUAGE plpgsql SET search_path TO pg_catalog, pg_temp AS $$
BEGIN
    IF (OLD.origin IS NULL OR NEW.origin = OLD.origin) AND (OLD.inconsistent IS NULL OR NEW.inconsistent = OLD.inconsistent)
        OR pg_has_role((SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'USAGE') THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'log_head keeps its origin, and that it is inconsistent: % refused', TG_OP USING ERRCODE = '42501';
END
$$;
CREATE TRIGGER log_head_keeps_its_name BEFORE UPDATE ON log_head FOR EACH ROW
    WHEN (OLD.origin IS DISTINCT FROM NEW.origin OR OLD.inconsistent IS DISTINCT FROM NEW.inconsistent)
    EXECUTE FUNCTION log_keeps_its_name();
