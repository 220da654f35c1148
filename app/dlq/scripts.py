"""What the dead letter queue does inside Redis, each in one script so that nobody sees half of it.

Streams are never trimmed: MAXLEN would evict entries that nobody has read. Scripts keep a byte count beside each
stream, and the attempts of its entries in a hash, since an entry in a stream cannot be changed.
"""

from __future__ import annotations

# KEYS: stream, bytes of stream, … one pair a stream, and the witness of the caller: a hash of the last id that it was
# told for each stream. ARGV: max_len, max_bytes, then for each stream the greatest id ever seen in it, then the number
# of requests, then for each: index of its pair (1-based), number of entries, the entries. Gives 1 or 0 a request
# (kept whole, or not), then the depth of each stream, then for each stream the last id added (or empty).
# The counter goes first: what Redis refuses, it refuses before there is an entry. A Redis that has forgotten entries
# continues after the greatest id that was ever seen, whatever its clock says, so that no id has two meanings.
SPILL = """
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
local max_len, max_bytes = tonumber(ARGV[1]), tonumber(ARGV[2])
local requests = tonumber(ARGV[3 + pairs_of_keys])
local at, kept, last = 4 + pairs_of_keys, {}, {}
for request = 1, requests do
  local pair, entries = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
  local stream, counter = KEYS[2 * pair - 1], KEYS[2 * pair]
  local size = 0
  for i = at + 2, at + 1 + entries do size = size + #ARGV[i] end
  local bytes = tonumber(redis.call('GET', counter) or '0')
  if redis.call('XLEN', stream) + entries <= max_len and bytes + size <= max_bytes then
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
  if last[pair] then
    redis.call('HSET', witness, KEYS[2 * pair - 1], last[pair])
    redis.call('EXPIRE', witness, 604800)
  end
end
for pair = 1, pairs_of_keys do kept[requests + pairs_of_keys + pair] = last[pair] or '' end
return kept
"""

# KEYS: stream, bytes of stream, … one pair a stream. Does what a spill does and leaves nothing: an entry with the id
# 0-0 is refused for its id by every server that would take a real one. Gives OK, or the error that a spill would meet.
PROBE = """
for pair = 1, #KEYS / 2 do
  redis.call('INCRBY', KEYS[2 * pair], 0)
  redis.call('XLEN', KEYS[2 * pair - 1])
  local answer = redis.pcall('XADD', KEYS[2 * pair - 1], '0-0', 'message', '')
  if type(answer) ~= 'table' or not answer['err'] then return redis.error_reply('ERR the id 0-0 was taken') end
  if not string.find(answer['err'], 'must be greater than 0-0', 1, true) then return answer end
end
return redis.status_reply('OK')
"""

# KEYS: stream, bytes, attempts. ARGV: group, then ids. Acknowledged and deleted together; gives how many.
SETTLE = """
local done = 0
for i = 2, #ARGV do
  local entry = redis.call('XRANGE', KEYS[1], ARGV[i], ARGV[i])[1]
  redis.call('XACK', KEYS[1], ARGV[1], ARGV[i])
  if entry then
    redis.call('XDEL', KEYS[1], ARGV[i])
    redis.call('DECRBY', KEYS[2], #(entry[2][2] or ''))
    done = done + 1
  end
  redis.call('HDEL', KEYS[3], ARGV[i])
end
if redis.call('XLEN', KEYS[1]) == 0 then redis.call('SET', KEYS[2], 0) end
return done
"""

# KEYS: stream, bytes, attempts, dead letters. ARGV: group, dead_letter_max, id, moved_at, retry count, reason.
# Gives 1 moved, 0 gone already, -1 the dead letters are at their cap.
BURY = """
local entry = redis.call('XRANGE', KEYS[1], ARGV[3], ARGV[3])[1]
if not entry then
  redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
  redis.call('HDEL', KEYS[3], ARGV[3])
  return 0
end
if redis.call('XLEN', KEYS[4]) >= tonumber(ARGV[2]) then return -1 end
local fields = {'original_id', ARGV[3], 'moved_at', ARGV[4], 'final_retry_count', ARGV[5], 'reason', ARGV[6]}
for _, value in ipairs(entry[2]) do fields[#fields + 1] = value end
redis.call('XADD', KEYS[4], '*', unpack(fields))
redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
redis.call('XDEL', KEYS[1], ARGV[3])
redis.call('DECRBY', KEYS[2], #(entry[2][2] or ''))
redis.call('HDEL', KEYS[3], ARGV[3])
if redis.call('XLEN', KEYS[1]) == 0 then redis.call('SET', KEYS[2], 0) end
return 1
"""

# KEYS: dead letters, stream, bytes. ARGV: id, max_len, max_bytes. Gives 1 back in the stream, 0 unknown id,
# -1 the stream is full, -2 the dead letter holds no message.
REVIVE = """
local entry = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])[1]
if not entry then return 0 end
local message
for i = 1, #entry[2], 2 do if entry[2][i] == 'message' then message = entry[2][i + 1] end end
if not message then return -2 end
if redis.call('XLEN', KEYS[2]) + 1 > tonumber(ARGV[2]) then return -1 end
if tonumber(redis.call('GET', KEYS[3]) or '0') + #message > tonumber(ARGV[3]) then return -1 end
redis.call('XADD', KEYS[2], '*', 'message', message)
redis.call('INCRBY', KEYS[3], #message)
redis.call('XDEL', KEYS[1], ARGV[1])
return 1
"""

# KEYS: stream. ARGV: group, consumer. Deletes the consumer only while nothing is pending for it; gives 1 or 0.
LEAVE = """
for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local known = {}
  for i = 1, #consumer, 2 do known[consumer[i]] = consumer[i + 1] end
  if known['name'] == ARGV[2] and known['pending'] == 0 then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
    return 1
  end
end
return 0
"""
