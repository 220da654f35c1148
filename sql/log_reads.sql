-- The statements of app/transparency/log_reads.py. None of them shows a record, but for its id and day.

-- name: published
-- The checkpoint up to which the log is shown. The origin is that of the head: after a new one, the old one's are history.
SELECT origin, size, epoch, root, note
FROM log_checkpoints
WHERE origin = (SELECT origin FROM log_head)
ORDER BY size DESC
LIMIT %s;

-- name: origin
-- The log's name, for a log that has nothing signed to show under it.
SELECT origin FROM log_head;

-- name: published_at
-- An earlier one, by its size.
SELECT origin, size, epoch, root, note FROM log_checkpoints WHERE origin = %s AND size = %s;

-- name: tile
-- One that is not full yet is longer here than in the tree of the checkpoint, perhaps; it begins with that.
SELECT hashes FROM log_tiles WHERE level = %s AND tile = %s;

-- name: bundles
-- As tile, for entries.
SELECT bundle, entries FROM log_bundles WHERE bundle = ANY(%b::int8[]);

-- name: places
-- By the hash of an id; the entries themselves say which of several it is.
SELECT log_index FROM log_places WHERE id_hash = ANY(%b::int8[]) ORDER BY log_index;

-- name: event
-- Which event is meant, the newest of those that may be read as a GET by its id gives it, and its salt. {readable} is what
-- the reader may read (app/audit/readable.py).
SELECT e.event_date, e.salt, e.is_sensitive
FROM {readable} e
WHERE {conditions}
ORDER BY event_timestamp DESC, event_date DESC
LIMIT 1;

-- name: notification
-- As event, by row number.
SELECT salt FROM {readable} WHERE id = %s;

-- name: old_salt
-- That of a record from before the log, by its place.
SELECT salt FROM log_salts WHERE log_index = %s;

-- name: leaf_beginnings
-- How the hashes of the entries before these numbers of entries begin: of a tile that is kept as it is so much is read.
SELECT k.at, substring(t.hashes FROM 32 * mod(k.at - 1, 256)::int + 1 FOR %b)
FROM unnest(%b::int8[]) AS k(at)
JOIN log_tiles t ON t.level = 0 AND t.tile = (k.at - 1) / 256;
