-- The indexes of audit_events that came after its first migration: what stands behind ON audit_events. The table may be
-- large by the time one comes, so app/postgres/indexes.py makes them on one partition after another, while events are
-- written. One that is released is never changed; another one gets another name.

-- name: audit_events_request
-- For request_id: what became of a request. All events of a batch have the same, which the index keeps once, and ids
-- that the service makes lie one behind the other. Events without one are not in it.
(request_id) WHERE request_id IS NOT NULL;

-- name: audit_events_namespace
-- For namespace, in the order of the lists: a principal may be let into a few namespaces only, out of many.
(namespace, event_timestamp DESC, event_id DESC) WHERE namespace IS NOT NULL;

-- name: audit_events_no_namespace
-- The same for records without a namespace, which audit_events_namespace leaves out: each record is in one of both.
(event_timestamp DESC, event_id DESC) WHERE namespace IS NULL;

-- name: audit_events_category
-- For a principal that is let into a few categories only: its lists walk through no rows of others.
(event_category, event_timestamp DESC, event_id DESC);

-- name: audit_events_unsalted
-- Records from before there was a log, in the order in which it takes them in. Every later one has a salt, so that the
-- index takes no part in writing them.
(recorded_at, event_id, event_date) WHERE salt IS NULL;
