-- Probe: do what a spill does and leave nothing.
--
-- KEYS: stream, bytes of stream, ... one pair a stream, and a witness that is not there.
-- Gives OK, or the error that a spill would meet.
--
-- An entry with the id 0-0 is refused for its id by every server that would take a real one, and so is a field without a
-- value. The counter goes first, as in a spill.

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
