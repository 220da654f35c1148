-- Read: deliver new entries, no more than so many and so many bytes, but one in any case.
--
-- KEYS: stream. ARGV: group, consumer, entries, bytes.
-- Gives the entries, and 1 if there are none although some wait that are neither new nor pending for a consumer.

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
