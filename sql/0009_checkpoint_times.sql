-- For whom asks which checkpoints were signed when, by a clock that may have gone back: they lie in the order of their sizes,
-- and mostly of their times, so that a few bytes for each 128 pages tell where a time can be. Made while no checkpoint is
-- stored, which takes about a second for each million of them; records are stored meanwhile.
CREATE INDEX log_checkpoints_times ON log_checkpoints USING brin (size, signed_at) WITH (autosummarize = on);
