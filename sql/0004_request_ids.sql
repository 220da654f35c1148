-- The id of the request that a record came with: from its answer or its line in the log to the row. Nullable and without
-- a default: PostgreSQL only notes the column, whatever the size of the table, and the release before goes on inserting
-- without it. Its index is in indexes.sql.
ALTER TABLE notification_audit ADD COLUMN request_id varchar(128);
ALTER TABLE audit_events ADD COLUMN request_id varchar(128);
