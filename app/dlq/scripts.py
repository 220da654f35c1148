"""What the dead letter queue does inside Redis, each in one script so that nobody sees half of it.

Streams are never trimmed: MAXLEN would evict entries that nobody has read. Scripts keep a byte count beside each
stream, and the attempts of its entries in a hash, since an entry in a stream cannot be changed.
"""

from __future__ import annotations

# KEYS: stream, bytes of stream, … one pair a stream. ARGV: max_len, max_bytes, number of requests, then for each
# request: index of its pair (1-based), number of entries, the entries. Gives 1 or 0 a request (kept whole, or not), and
# then the depth of each stream.
SPILL = """
local max_len, max_bytes, requests = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local at, kept = 4, {}
for request = 1, requests do
  local pair, entries = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
  local stream, counter = KEYS[2 * pair - 1], KEYS[2 * pair]
  local size = 0
  for i = at + 2, at + 1 + entries do size = size + #ARGV[i] end
  local bytes = tonumber(redis.call('GET', counter) or '0')
  if redis.call('XLEN', stream) + entries <= max_len and bytes + size <= max_bytes then
    for i = at + 2, at + 1 + entries do redis.call('XADD', stream, '*', 'message', ARGV[i]) end
    redis.call('INCRBY', counter, size)
    kept[request] = 1
  else
    kept[request] = 0
  end
  at = at + 2 + entries
end
for pair = 1, #KEYS / 2 do kept[requests + pair] = redis.call('XLEN', KEYS[2 * pair - 1]) end
return kept
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
