-- The statements of app/transparency/log_view.py and records_read.py.

-- name: state
-- How far the log is, from where on it is kept, whether it can be followed, and what its cursors are sealed with. A standby
-- may be behind what others were told already.
SELECT h.origin, h.size, h.inconsistent, coalesce(256 * (SELECT min(bundle) FROM log_bundles), 0), k.key, pg_is_in_recovery(),
    EXISTS (SELECT FROM log_acts WHERE kind = 'new_origin')
FROM log_head h, log_feed_key k;

-- name: acts
-- Their salts and digests too: a commitment can be made again by who may read it.
SELECT act_id, kind, acted_at, acted_by, details::text, encode(salt, 'hex'), encode(digest, 'hex')
FROM log_acts
WHERE act_id = ANY(%b::uuid[]);

-- name: signed_before
-- When the newest tree of at most this size was signed.
SELECT size, signed_at FROM log_checkpoints WHERE origin = %s AND size <= %s ORDER BY size DESC LIMIT 1;

-- name: signed_before_late
-- The newest tree below the first of those up to a size that were signed from a moment on; no row where none of them was.
-- The sum keeps PostgreSQL from walking up the key until it meets one, where there is none mostly: log_checkpoints_times
-- says so at once.
SELECT coalesce((SELECT size FROM log_checkpoints WHERE origin = late.origin AND size < late.size ORDER BY size DESC LIMIT 1), 0)
FROM (
    SELECT origin, min(size + 0) AS size
    FROM log_checkpoints
    WHERE origin = %s AND size <= %s AND signed_at >= %s
    GROUP BY origin
) AS late;
