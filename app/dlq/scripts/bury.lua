-- Bury: move an entry to the dead letters, in one step, so that it is always in one of the two.
--
-- KEYS: stream, bytes, attempts, recount, dead letters.
-- ARGV: group, dead_letter_max, id, moved_at, retry count, reason.
-- Gives 1 moved, 0 gone already, -1 the dead letters are at their cap.

local entry = redis.call('XRANGE', KEYS[1], ARGV[3], ARGV[3])[1]
if not entry then
  redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
  redis.call('HDEL', KEYS[3], ARGV[3])
  return 0
end
if redis.call('XLEN', KEYS[5]) >= tonumber(ARGV[2]) then return -1 end
local fields = {'original_id', ARGV[3], 'moved_at', ARGV[4], 'final_retry_count', ARGV[5], 'reason', ARGV[6]}
-- Our entries have two; of an entry that another program added Lua passes on no more than some thousand.
for i = 1, math.min(#entry[2], 4000) do fields[#fields + 1] = entry[2][i] end
redis.call('XADD', KEYS[5], '*', unpack(fields))
redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
redis.call('XDEL', KEYS[1], ARGV[3])
gone(entry, KEYS[2], KEYS[4])
redis.call('HDEL', KEYS[3], ARGV[3])
if redis.call('XLEN', KEYS[1]) == 0 then redis.call('SET', KEYS[2], 0) end
return 1
