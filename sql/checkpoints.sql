-- The statements of app/transparency/checkpoint_store.py.

-- name: last
-- The largest tree of an origin that has a checkpoint.
SELECT size, epoch, root FROM log_checkpoints WHERE origin = %s ORDER BY size DESC LIMIT 1;

-- name: last_note
-- What is served as the log's checkpoint.
SELECT size, note FROM log_checkpoints
WHERE origin = (SELECT origin FROM log_head)
ORDER BY size DESC
LIMIT 1;

-- name: note_proven
-- A commit before the signature: with all before it, it has to be on every standby that PostgreSQL waits for. Nothing is
-- changed where another one gives places meanwhile. The first one gives the log its name.
UPDATE log_head SET origin = %s, proven = %s WHERE holder = %s AND epoch = %s AND inconsistent IS NULL;

-- name: note_unsigned
-- Read by every worker: only the one that gives places knows. The time says that it still tries.
UPDATE log_head SET unsigned = %s, tried_at = CASE WHEN %s::text IS NOT NULL THEN clock_timestamp() END WHERE holder = %s;

-- name: note_inconsistent
-- It stays until the owner starts a new origin.
UPDATE log_head SET inconsistent = %s WHERE inconsistent IS NULL;

-- name: put
-- Twice where its signer was killed behind it, or was paused before it.
INSERT INTO log_checkpoints (origin, size, root, epoch, note) VALUES (%s, %s, %s, %s, %s) ON CONFLICT (origin, size) DO NOTHING;

-- name: root_of
-- What stands there now.
SELECT root FROM log_checkpoints WHERE origin = %s AND size = %s;
