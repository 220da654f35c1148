"""What the dead letter queue does inside Redis, each in one script so that nobody sees half of it.

Streams are never trimmed: MAXLEN would evict entries that nobody has read. Scripts keep a byte count beside each
stream, and the attempts of its entries in a hash, since an entry in a stream cannot be changed.
"""

from __future__ import annotations

# What a byte count says. One that somebody has made no number of is begun anew, before a script has changed anything:
# Redis undoes nothing of a script that fails. Replay adds the entries up at once.
_COUNTER = """
local function counted(counter)
  local said = redis.pcall('GET', counter)
  if said == false then return 0 end
  if type(said) == 'string' and #said < 16 and (said == '0' or string.match(said, '^[1-9]%d*$')) then
    return tonumber(said)
  end
  redis.call('SET', counter, '0')
  redis.pcall('HDEL', counter .. ':recount', 'done')
  return 0
end
"""

# KEYS: stream, bytes of stream, … one pair a stream, and the witness of the caller: a hash of the last id that it was
# told for each stream. ARGV: max_len, max_bytes, then for each stream the greatest id ever seen in it, then the number
# of requests, then for each: index of its pair (1-based), number of entries, the entries. Gives 1 or 0 a request
# (kept whole, or not), then the depth of each stream, then for each stream the last id added (or empty).
# All that Redis may refuse is tried before the first entry is there, for every stream of the spill: a script that ends
# in an error keeps what it did until then. The counter goes first: where there is no memory, Redis refuses no more once
# a script has called anything that writes and needs none, such as EXPIRE. A Redis that has forgotten entries continues
# after the greatest id that was ever seen, whatever its clock says, so that no id has two meanings.
SPILL = (
    _COUNTER
    + """
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
-- Keys that somebody has made something else of are found out before anything is added.
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
"""
)

# KEYS: stream, bytes of stream, … one pair a stream, and a witness that is not there. Does what a spill does and leaves
# nothing: an entry with the id 0-0 is refused for its id by every server that would take a real one, and so is a field
# without a value. Gives OK, or the error that a spill would meet. The counter goes first, as in a spill.
PROBE = (
    _COUNTER
    + """
local function refusal(answer, expected)
  if type(answer) ~= 'table' or not answer['err'] then return redis.error_reply('ERR what is not valid was taken') end
  if not string.find(answer['err'], expected, 1, true) then return answer end
end
local witness = KEYS[#KEYS]
for pair = 1, (#KEYS - 1) / 2 do
  local stream = KEYS[2 * pair - 1]
  counted(KEYS[2 * pair])
  redis.call('INCRBY', KEYS[2 * pair], 0)
  redis.call('XLEN', stream)
  local refused = refusal(redis.pcall('XADD', stream, '0-0', 'message', ''), 'must be greater than 0-0')
  if refused then return refused end
  redis.call('XDEL', stream, '0-0')
end
redis.call('HGET', witness, 'nothing')
redis.call('EXPIRE', witness, 1)
return refusal(redis.pcall('HSET', witness, 'no', 'pair', 'here'), 'wrong number of arguments')
  or redis.status_reply('OK')
"""
)

# What several scripts need. An entry takes as many bytes as its values: SPILL's have one. A group is looked up by its
# name, and made if there is none. Ids are in the order of their two numbers.
_SHARED = (
    _COUNTER
    + """
local function size(entry)
  local bytes = 0
  for i = 2, #entry[2], 2 do bytes = bytes + #entry[2][i] end
  return bytes
end

local function group_of(stream, name)
  for _, group in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
    local known = {}
    for i = 1, #group, 2 do known[group[i]] = group[i + 1] end
    if known['name'] == name then return known end
  end
  redis.call('XGROUP', 'CREATE', stream, name, '0')
  return {['last-delivered-id'] = '0-0', pending = 0}
end

local function after(one, other)
  local ms, seq = string.match(one, '^(%d+)-(%d+)$')
  local other_ms, other_seq = string.match(other, '^(%d+)-(%d+)$')
  ms, seq, other_ms, other_seq = tonumber(ms), tonumber(seq), tonumber(other_ms), tonumber(other_seq)
  return ms > other_ms or (ms == other_ms and seq > other_seq)
end

-- An entry is taken out: the counter falls, and what a recount has added up so far if it was past the entry.
local function gone(entry, counter, recount)
  counted(counter)
  redis.call('DECRBY', counter, size(entry))
  local cursor = redis.call('HGET', recount, 'cursor')
  if cursor and not after(entry[1], cursor) then redis.call('HINCRBY', recount, 'sum', -size(entry)) end
end
"""
)

# KEYS: stream, bytes, attempts, recount. ARGV: group, then ids. Acknowledged and deleted together; gives how many.
SETTLE = (
    _SHARED
    + """
local done = 0
for i = 2, #ARGV do
  local entry = redis.call('XRANGE', KEYS[1], ARGV[i], ARGV[i])[1]
  redis.call('XACK', KEYS[1], ARGV[1], ARGV[i])
  if entry then
    redis.call('XDEL', KEYS[1], ARGV[i])
    gone(entry, KEYS[2], KEYS[4])
    done = done + 1
  end
  redis.call('HDEL', KEYS[3], ARGV[i])
end
if redis.call('XLEN', KEYS[1]) == 0 then redis.call('SET', KEYS[2], 0) end
return done
"""
)

# KEYS: stream, bytes, attempts, recount, dead letters. ARGV: group, dead_letter_max, id, moved_at, retry count, reason.
# Gives 1 moved, 0 gone already, -1 the dead letters are at their cap.
BURY = (
    _SHARED
    + """
local entry = redis.call('XRANGE', KEYS[1], ARGV[3], ARGV[3])[1]
if not entry then
  redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
  redis.call('HDEL', KEYS[3], ARGV[3])
  return 0
end
if redis.call('XLEN', KEYS[5]) >= tonumber(ARGV[2]) then return -1 end
local fields = {'original_id', ARGV[3], 'moved_at', ARGV[4], 'final_retry_count', ARGV[5], 'reason', ARGV[6]}
-- Ours have two; Lua passes on no more than some thousand of somebody else's.
for i = 1, math.min(#entry[2], 4000) do fields[#fields + 1] = entry[2][i] end
redis.call('XADD', KEYS[5], '*', unpack(fields))
redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
redis.call('XDEL', KEYS[1], ARGV[3])
gone(entry, KEYS[2], KEYS[4])
redis.call('HDEL', KEYS[3], ARGV[3])
if redis.call('XLEN', KEYS[1]) == 0 then redis.call('SET', KEYS[2], 0) end
return 1
"""
)

# KEYS: stream. ARGV: group, consumer, entries, bytes. Delivers new entries: no more than so many and so many bytes, but
# one in any case. Gives them, and 1 if there are none, though some wait that are neither new nor pending for anybody.
READ = (
    _SHARED
    + """
if redis.call('EXISTS', KEYS[1]) == 0 then return {{}, 0} end
local group = group_of(KEYS[1], ARGV[1])
local from, wanted, entries, room = '(' .. group['last-delivered-id'], 0, tonumber(ARGV[3]), tonumber(ARGV[4])
while wanted < entries and room > 0 do
  local step = redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', math.min(16, entries - wanted))
  if #step == 0 then break end
  for _, entry in ipairs(step) do
    room = room - size(entry)
    if room < 0 and wanted > 0 then break end
    wanted = wanted + 1
  end
  from = '(' .. step[#step][1]
end
if wanted == 0 then return {{}, redis.call('XLEN', KEYS[1]) > group['pending'] and 1 or 0} end
local answer = redis.call('XREADGROUP', 'GROUP', ARGV[1], ARGV[2], 'COUNT', wanted, 'STREAMS', KEYS[1], '>')
return {answer[1][2], 0}
"""
)

# KEYS: stream, attempts. ARGV: group, consumer, entries, bytes, idle milliseconds, where to start, wait for a parent,
# then the waits after each attempt, in seconds. Takes over pending entries whose time has come: this consumer's own and
# those not touched for so long, whoever was given them. Gives them, and where to go on, or '' at the end.
#
# Redis' clock is the only one that all instances share. If it steps back, a due time is further ahead than any wait
# that could have led to it: then it counts as come.
TAKE = (
    _SHARED
    + """
if redis.call('EXISTS', KEYS[1]) == 0 then return {{}, ''} end
group_of(KEYS[1], ARGV[1])
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local entries, room, idle = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])

local function due(id)
  local count, at = string.match(redis.call('HGET', KEYS[2], id) or '', '^(%d+)|([%d.]+)|[%d.]+$')
  if not count then return true end
  local ahead = tonumber(at) - now
  return ahead <= 0 or ahead > math.max(tonumber(ARGV[7]), tonumber(ARGV[7 + tonumber(count)] or '0'))
end

local page = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[6], '+', 500)
local taken, at = {}, ''
for _, pending in ipairs(page) do
  local id = pending[1]
  if #taken == entries then break end
  if (pending[2] == ARGV[2] or pending[3] >= idle) and due(id) then
    local entry = redis.call('XRANGE', KEYS[1], id, id)[1]
    if entry then
      room = room - size(entry)
      if room < 0 and #taken > 0 then break end
      taken[#taken + 1] = id
    else
      redis.call('XACK', KEYS[1], ARGV[1], id)
      redis.call('HDEL', KEYS[2], id)
    end
  end
  at = id
end
local ended = #page < 500 and (#page == 0 or at == page[#page][1])
local delivered = {}
if #taken > 0 then delivered = redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, unpack(taken)) end
return {delivered, ended and '' or '(' .. at}
"""
)

# KEYS: stream. ARGV: group, consumer, where to start. Makes entries pending for this consumer that were delivered and
# are pending for nobody: somebody else in our group read or acknowledged them and left them lying. Gives how many, and
# where to go on, or '' at the end.
ADOPT = (
    _SHARED
    + """
if redis.call('EXISTS', KEYS[1]) == 0 then return {0, ''} end
local group = group_of(KEYS[1], ARGV[1])
local page = redis.call('XRANGE', KEYS[1], ARGV[3], group['last-delivered-id'], 'COUNT', 32)
local adopted = 0
for _, entry in ipairs(page) do
  if #redis.call('XPENDING', KEYS[1], ARGV[1], entry[1], entry[1], 1) == 0 then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, entry[1], 'FORCE', 'JUSTID')
    adopted = adopted + 1
  end
end
return {adopted, #page < 32 and '' or '(' .. page[#page][1]}
"""
)

# KEYS: stream, bytes, recount. ARGV: max_bytes, seconds until the next recount, and the same for a stream that seems
# half full or more. Adds up the entries anew, a few at a time, so that Redis is never held up; meanwhile the other
# scripts keep the sum right for what they take out. Gives 1 while there is more to add up, else 0; and after the last
# step the bytes that the counter said and those that there are.
RECOUNT = (
    _SHARED
    + """
local said = redis.pcall('GET', KEYS[2])
if type(said) == 'table' then redis.call('DEL', KEYS[2]) said = nil end
said = tonumber(said or nil)
local now, waiting = tonumber(redis.call('TIME')[1]), redis.call('XLEN', KEYS[1])
local cursor = redis.call('HGET', KEYS[3], 'cursor')
if not cursor then
  local age = now - tonumber(redis.call('HGET', KEYS[3], 'done') or '0')
  local full = said and 2 * said >= tonumber(ARGV[1])
  local wrong = waiting > 0 and (not said or said <= 0) or waiting == 0 and said and said ~= 0
  if not wrong and age >= 0 and age < tonumber(full and ARGV[3] or ARGV[2]) then return {0} end
  redis.call('HSET', KEYS[3], 'cursor', '0-0', 'sum', 0)
  cursor = '0-0'
end
local seen, bytes, ended = 0, 0, false
while seen < 1000 and bytes < 1048576 and not ended do
  local page = redis.call('XRANGE', KEYS[1], '(' .. cursor, '+', 'COUNT', 16)
  for _, entry in ipairs(page) do bytes = bytes + size(entry) end
  seen = seen + #page
  ended = #page < 16
  if #page > 0 then cursor = page[#page][1] end
end
local sum = redis.call('HINCRBY', KEYS[3], 'sum', bytes)
if not ended then
  redis.call('HSET', KEYS[3], 'cursor', cursor)
  return {1}
end
redis.call('SET', KEYS[2], sum)
redis.call('HDEL', KEYS[3], 'cursor', 'sum')
redis.call('HSET', KEYS[3], 'done', now)
return {0, said or 0, sum}
"""
)

# KEYS: dead letters, stream, bytes. ARGV: id, max_len, max_bytes. Gives 1 back in the stream, 0 unknown id,
# -1 the stream is full, -2 the dead letter holds no message.
REVIVE = (
    _COUNTER
    + """
local entry = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])[1]
if not entry then return 0 end
local message
for i = 1, #entry[2], 2 do if entry[2][i] == 'message' then message = entry[2][i + 1] end end
if not message then return -2 end
if redis.call('XLEN', KEYS[2]) + 1 > tonumber(ARGV[2]) then return -1 end
if counted(KEYS[3]) + #message > tonumber(ARGV[3]) then return -1 end
redis.call('INCRBY', KEYS[3], #message)
redis.call('XADD', KEYS[2], '*', 'message', message)
redis.call('XDEL', KEYS[1], ARGV[1])
return 1
"""
)

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
