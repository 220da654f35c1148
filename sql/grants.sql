-- What the service's role may do: read, append, and have a month's partition made. Run after every migration,
-- {role} being that role; not run where the service connects as the owner itself.
GRANT USAGE ON SCHEMA {schema} TO {role};
GRANT SELECT, INSERT ON audit_events, notification_audit TO {role};
GRANT EXECUTE ON FUNCTION audit_ensure_partition(date), audit_partition_months() TO {role};
GRANT SELECT ON schema_migrations TO {role};
GRANT SELECT, INSERT, UPDATE ON remediation_workflow_catalog TO {role};
