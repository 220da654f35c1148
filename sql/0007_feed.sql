-- What seals the cursors of the feed: they say how large the log is, which a reader with limits is not told, and nobody can
-- make one that was not given. For every instance the same, and made once. Six
-- bits of a UUID are not random: three of them, hashed.
CREATE TABLE log_feed_key (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    key bytea   NOT NULL CHECK (octet_length(key) = 32)
);
INSERT INTO log_feed_key (key)
SELECT sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
