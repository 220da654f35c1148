-- Take: take over pending entries whose time has come: this consumer's own, and those of any consumer that were not
-- touched for so long.
--
-- KEYS: stream, attempts.
-- ARGV: group, consumer, entries, bytes, idle milliseconds, where to start, wait for a parent, then the waits after each
--   attempt, in seconds.
-- Gives the entries, and where to go on, or '' at the end.
--
-- Redis' clock is the only one that all instances share. If it steps back, a due time is further ahead than any wait
-- that could have led to it: then it counts as come.

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
