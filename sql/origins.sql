-- The statements of app/transparency/origins.py, as the owner of the tables.

-- name: wait_shortly
-- For this transaction. Others end who has the lock of the head for over 5 seconds.
SELECT set_config('idle_in_transaction_session_timeout', '2000', true), set_config('lock_timeout', '1000', true),
    set_config('jit', 'off', true);

-- name: lock_head
-- As the sequencer's, but it waits: between two bites of one that has much to do there is only a moment.
SELECT FROM log_head FOR UPDATE;

-- name: is_used
-- Whether something was ever signed under this name, or was to be: here, or in another database, as a memory said then.
SELECT EXISTS (SELECT FROM log_checkpoints WHERE origin = %(name)s)
    OR EXISTS (
        SELECT FROM log_acts
        WHERE kind = 'new_origin' AND (
            %(name)s IN (details->>'old_origin', details->>'new_origin')
            OR details->'remembered' @> jsonb_build_array(jsonb_build_object('origin', %(name)s::text))
        )
    );

-- name: act
-- The act that gave the log this name.
SELECT act_id, kind, acted_at, acted_by, details::text
FROM log_acts
WHERE kind = 'new_origin' AND details->>'new_origin' = %s
ORDER BY acted_at DESC
LIMIT 1;

-- name: last_pending
-- The row that a trigger has left in this transaction.
SELECT currval('log_pending_id');

-- name: start
-- Behind put_head. Until the memories outside PostgreSQL have the new name it stands still, and says why. Those that are set
-- up are the ones that it moves.
UPDATE log_head SET origin = %s, inconsistent = %s, memories = %s, unsigned = NULL, tried_at = NULL, proven = 0;

-- name: go_on
-- Unless something else was found meanwhile.
UPDATE log_head SET inconsistent = NULL WHERE origin = %s AND inconsistent = ANY(%s::text[]);
