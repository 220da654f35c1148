-- Adopt: make entries pending for this consumer that were delivered and are pending for none: another program in our
-- group read or acknowledged them and left them lying.
--
-- KEYS: stream. ARGV: group, consumer, where to start.
-- Gives how many, and where to go on, or '' at the end.

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
