-- The statements of app/transparency/feed.py.

-- name: state
-- How far the log is, whether it can be followed, and what its cursors are sealed with. A standby may be behind what others
-- were told already.
SELECT h.origin, h.size, h.inconsistent, cardinality(h.memories) > 0, k.key, pg_is_in_recovery(),
    EXISTS (SELECT FROM log_acts WHERE kind = 'new_origin')
FROM log_head h, log_feed_key k;

-- name: origins
-- The names that the log got later, and how many entries it had before, by the acts: their members are text here, whatever
-- they are.
SELECT coalesce(details ->> 'new_origin', ''), coalesce(details ->> 'size', '')
FROM log_acts
WHERE kind = 'new_origin'
ORDER BY acted_at, act_id;

-- name: acts
-- Their salts and digests too: a commitment can be made again by who may read it.
SELECT act_id, kind, acted_at, acted_by, details::text, encode(salt, 'hex'), encode(digest, 'hex')
FROM log_acts
WHERE act_id = ANY(%b::uuid[]);
