-- Shared (after counter.lua): an entry's size, the consumer group, the order of ids, an entry that is taken out.
--
-- An entry takes as many bytes as its values: those of a spill have one.

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
