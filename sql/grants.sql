-- What the service's role may do: read, append, and have a month's partition made. Run after every migration,
-- {role} being that role; not run where the service connects as the owner itself.
GRANT USAGE ON SCHEMA {schema} TO {role};
GRANT SELECT, INSERT ON audit_events, notification_audit TO {role};
GRANT EXECUTE ON FUNCTION audit_ensure_partition(date), audit_partition_months() TO {role};
GRANT SELECT ON schema_migrations TO {role};
GRANT SELECT, INSERT, UPDATE ON remediation_workflow_catalog TO {role};
-- The log: the sequencer runs as the service. It empties the pending tables, and makes the log longer.
GRANT SELECT, DELETE, TRUNCATE ON log_pending_a, log_pending_b TO {role};
GRANT SELECT, INSERT ON log_bundles, log_tiles, log_places, log_salts, log_set_aside TO {role};
GRANT UPDATE (width, entries) ON log_bundles TO {role};
GRANT UPDATE (width, hashes) ON log_tiles TO {role};
GRANT SELECT, UPDATE ON log_head TO {role};
-- That the intake is finished (finished_by, and the act in log_acts) is for the owner to say.
GRANT SELECT, UPDATE (recorded_at, event_id, event_date, notification_id, taken, events_done, notifications_done)
    ON log_intake TO {role};
GRANT SELECT ON log_acts TO {role};
GRANT SELECT, INSERT ON log_checkpoints, log_cosignatures TO {role};
-- Those of a checkpoint that has newer ones behind it are thinned out.
GRANT DELETE ON log_cosignatures TO {role};
GRANT SELECT ON log_feed_key TO {role};
-- Holds are set and released by functions alone, each together with its act.
GRANT SELECT ON audit_holds TO {role};
GRANT EXECUTE ON FUNCTION audit_set_hold(uuid, text, text, jsonb, timestamptz, text, bytea, uuid, jsonb, bytea),
    audit_release_hold(uuid, text, timestamptz, text, bytea, uuid, jsonb, bytea) TO {role};
GRANT EXECUTE ON FUNCTION audit_filter_takes_event(jsonb, audit_events),
    audit_filter_takes_notification(jsonb, notification_audit), audit_holds_lock() TO {role};
