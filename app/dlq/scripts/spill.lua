-- Spill: keep each request whole or not at all, in order.
--
-- KEYS: stream, bytes of stream, ... one pair a stream, and the witness of the caller: a hash of the last id that it
--   was told for each stream.
-- ARGV: max_len, max_bytes, then for each stream the greatest id ever seen in it, then the number of requests, then for
--   each: index of its pair (1-based), number of entries, the entries.
-- Gives 1 or 0 a request (kept whole, or not), then the depth of each stream, then for each stream the last id added
--   (or empty).
--
-- All that Redis may refuse is tried before the first entry is there, for every stream of the spill: a script that ends
-- in an error keeps what it did until then. The counter goes first: where there is no memory, Redis refuses no more once
-- a script has called anything that writes and needs none, such as EXPIRE. A Redis that has forgotten entries continues
-- after the greatest id that was ever seen, even where its clock stepped back, so that no id has two meanings.

local pairs_of_keys = (#KEYS - 1) / 2
local witness = KEYS[#KEYS]
local function parts(id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(seq)
end
local function add(stream, seen, message)
  local id = redis.call('XADD', stream, '*', 'message', message)
  if not seen then return id end
  local ms, seq = parts(id)
  local seen_ms, seen_seq = parts(seen)
  if ms > seen_ms or (ms == seen_ms and seq > seen_seq) then return id end
  redis.call('XDEL', stream, id)
  return redis.call('XADD', stream, string.format('%.0f-%.0f', seen_ms, seen_seq + 1), 'message', message)
end
-- A key that was made something else by hand is found out before anything is added.
for pair = 1, pairs_of_keys do
  redis.call('XLEN', KEYS[2 * pair - 1])
  counted(KEYS[2 * pair])
end
redis.call('HLEN', witness)
local max_len, max_bytes = tonumber(ARGV[1]), tonumber(ARGV[2])
local requests = tonumber(ARGV[3 + pairs_of_keys])
local at, tried, kept, last = 4 + pairs_of_keys, {}, {}, {}
local function try(pair)
  local stream = KEYS[2 * pair - 1]
  redis.call('INCRBY', KEYS[2 * pair], 0)
  redis.call('XDEL', stream, '0-0')
  redis.call('HSET', witness, stream, redis.call('HGET', witness, stream) or '0-0')
  redis.call('EXPIRE', witness, 604800)
  tried[pair] = true
end
for _ = 1, requests do
  if not tried[tonumber(ARGV[at])] then try(tonumber(ARGV[at])) end
  at = at + 2 + tonumber(ARGV[at + 1])
end
at = 4 + pairs_of_keys
for request = 1, requests do
  local pair, entries = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
  local stream, counter = KEYS[2 * pair - 1], KEYS[2 * pair]
  local size = 0
  for i = at + 2, at + 1 + entries do size = size + #ARGV[i] end
  if redis.call('XLEN', stream) + entries <= max_len and counted(counter) + size <= max_bytes then
    redis.call('INCRBY', counter, size)
    for i = at + 2, at + 1 + entries do
      last[pair] = add(stream, not last[pair] and ARGV[2 + pair], ARGV[i])
    end
    kept[request] = 1
  else
    kept[request] = 0
  end
  at = at + 2 + entries
end
for pair = 1, pairs_of_keys do
  kept[requests + pair] = redis.call('XLEN', KEYS[2 * pair - 1])
  if last[pair] then redis.call('HSET', witness, KEYS[2 * pair - 1], last[pair]) end
end
for pair = 1, pairs_of_keys do kept[requests + pairs_of_keys + pair] = last[pair] or '' end
return kept
