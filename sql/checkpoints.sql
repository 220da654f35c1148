-- The statements of app/transparency/checkpoint_store.py and cosignatures.py.

-- name: last
-- The largest trees of an origin that have a checkpoint, whoever put it there.
SELECT origin, size, epoch, root, note FROM log_checkpoints WHERE origin = %s ORDER BY size DESC LIMIT %s;

-- name: note_proven
-- A commit before the signature: with all before it, it has to be on every standby that PostgreSQL waits for. Nothing is
-- changed where another one gives places meanwhile. The first one gives the log its name. A memory stays among those that
-- were moved, also while an instance signs that has it not set up; there are two names (app/transparency/memories.py).
UPDATE log_head SET origin = %s, proven = %s,
    memories = ARRAY(SELECT DISTINCT unnest(memories || %s::text[]) AS name ORDER BY name)
WHERE holder = %s AND epoch = %s AND inconsistent IS NULL;

-- name: memories
-- All that were ever moved under the log's name, but for those that were given up.
SELECT memories FROM log_head;

-- name: give_up_memories
-- Lost for good, as an operator says. Whoever has one and signs puts it back.
UPDATE log_head SET memories = ARRAY(SELECT unnest(memories) AS name EXCEPT SELECT unnest(%s::text[]) ORDER BY name);

-- name: note_unsigned
-- Read by every worker: only the one that gives places knows. The time says that it still tries.
UPDATE log_head SET unsigned = %s, tried_at = CASE WHEN %s::text IS NOT NULL THEN clock_timestamp() END WHERE holder = %s;

-- name: note_inconsistent
-- It stays until the owner starts a new origin.
UPDATE log_head SET inconsistent = %s WHERE inconsistent IS NULL;

-- name: put
-- Twice where its signer was killed behind it, or was paused before it. Under a lock of the head, which a new origin takes
-- too: behind that, nothing is stored under the old one.
INSERT INTO log_checkpoints (origin, size, root, epoch, note)
SELECT %s::text, %s::bigint, %s::bytea, %s::bigint, %s::text
FROM (SELECT FROM log_head WHERE origin = %s AND inconsistent IS NULL FOR SHARE) AS head
ON CONFLICT (origin, size) DO NOTHING;

-- name: stands
-- What stands there now.
SELECT origin, size, epoch, root, note FROM log_checkpoints WHERE origin = %s AND size = %s;

-- name: cosigned
-- How far each witness has come, up to a size: one step into an index for each.
SELECT w.witness, s.size
FROM unnest(%(witnesses)b::text[]) AS w(witness)
CROSS JOIN LATERAL (
    SELECT size FROM log_cosignatures
    WHERE origin = %(origin)s AND witness = w.witness AND size <= %(most)s
    ORDER BY size DESC
    LIMIT 1
) AS s;

-- name: with_cosignatures
-- A checkpoint, and what these witnesses have said of it.
SELECT c.note, array(
    SELECT line FROM log_cosignatures
    WHERE origin = c.origin AND witness = ANY(%(witnesses)b::text[]) AND size = c.size
    ORDER BY witness
)
FROM log_checkpoints c
WHERE c.origin = %(origin)s AND c.size = %(size)s;

-- name: put_cosignature
-- Twice where its answer was lost and the witness was asked again.
INSERT INTO log_cosignatures (origin, witness, size, line) VALUES (%s, %s, %s, %s)
ON CONFLICT (origin, witness, size) DO NOTHING;

-- name: thin_cosignatures
-- Of an hour that is over there stays, for each witness, the last checkpoint that it has cosigned, with all that others said
-- of that. What is older than two days was gone through before.
DELETE FROM log_cosignatures
WHERE origin = %(origin)s AND size < %(below)s
    AND received_at < date_trunc('hour', clock_timestamp() - interval '1 hour')
    AND received_at >= date_trunc('hour', clock_timestamp() - interval '2 days')
    AND size NOT IN (
        SELECT max(size)
        FROM log_cosignatures
        WHERE origin = %(origin)s AND received_at >= date_trunc('hour', clock_timestamp() - interval '2 days')
        GROUP BY witness, date_trunc('hour', received_at)
    );

-- name: signed
-- The name, the newest checkpoint under it, and why there is none newer.
SELECT h.origin, c.size, c.signed_at, h.unsigned, h.inconsistent
FROM log_head h
LEFT JOIN LATERAL (
    SELECT size, signed_at FROM log_checkpoints WHERE origin = h.origin ORDER BY size DESC LIMIT 1
) AS c ON true;

-- name: signed_at
-- When the checkpoint of this size came.
SELECT signed_at FROM log_checkpoints WHERE origin = %s AND size = %s;

-- name: cosigned_by
-- The newest of each witness that has ever said something.
SELECT DISTINCT ON (witness) witness, size, received_at
FROM log_cosignatures
WHERE origin = %s
ORDER BY witness, size DESC;

-- name: earlier
-- The names that the log had before, by the acts that ended them. The members of an act are text here, whatever they are.
SELECT details ->> 'old_origin', coalesce(details ->> 'size', ''), acted_at, coalesce(details ->> 'reason', '')
FROM log_acts
WHERE kind = 'new_origin'
ORDER BY acted_at, act_id;
