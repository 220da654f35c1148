-- Recount: add up the bytes of the entries anew, a few at a time, so that Redis is never held up; meanwhile the other
-- scripts keep the sum right for what they take out. A byte count that is wrong would refuse writes, or take too many.
--
-- KEYS: stream, bytes, recount.
-- ARGV: max_bytes, seconds until the next recount, and the same for a stream that seems half full or more.
-- Gives 1 while there is more to add up, else 0; and after the last step the bytes that the counter said and those that
--   there are.

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
