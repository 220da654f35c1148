-- Revive: put a dead letter back into its stream, in one step, so that it is always in one of the two.
--
-- KEYS: dead letters, stream, bytes. ARGV: id, max_len, max_bytes.
-- Gives 1 back in the stream, 0 unknown id, -1 the stream is full, -2 the dead letter holds no message.

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
