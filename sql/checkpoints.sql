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
-- changed where another one gives places meanwhile.
UPDATE log_head SET proven = %s WHERE holder = %s AND epoch = %s;

-- name: put
-- Twice where its signer was killed behind it, or was paused before it.
INSERT INTO log_checkpoints (origin, size, root, epoch, note) VALUES (%s, %s, %s, %s, %s) ON CONFLICT (origin, size) DO NOTHING;

-- name: root_of
-- What stands there now.
SELECT root FROM log_checkpoints WHERE origin = %s AND size = %s;
