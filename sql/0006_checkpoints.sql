-- Checkpoints of the log: what was signed, and under which name. docs/log.md says in which order.
ALTER TABLE log_head ADD COLUMN origin varchar(255);
-- The size up to which the tree was last found consistent with every memory, in a commit of its own before it is signed.
ALTER TABLE log_head ADD COLUMN proven bigint NOT NULL DEFAULT 0;
-- Why nothing is signed and no place given any more; NULL where all is well.
ALTER TABLE log_head ADD COLUMN inconsistent text;

CREATE TABLE log_checkpoints (
    origin    varchar(255) NOT NULL,
    size      bigint       NOT NULL,
    root      bytea        NOT NULL,
    epoch     bigint       NOT NULL,
    note      text         NOT NULL,
    signed_at timestamptz  NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (origin, size)
);
-- What witnesses have said of them, each line checked before it came here.
CREATE TABLE log_cosignatures (
    origin      varchar(255) NOT NULL,
    size        bigint       NOT NULL,
    witness     varchar(255) NOT NULL,
    line        text         NOT NULL,
    received_at timestamptz  NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (origin, size, witness)
);
CREATE TRIGGER log_checkpoints_no_change BEFORE UPDATE OR DELETE ON log_checkpoints
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER log_checkpoints_no_truncate BEFORE TRUNCATE ON log_checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
