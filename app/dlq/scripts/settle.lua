-- Settle: acknowledge and delete entries that are committed, together, so that none is replayed for nothing.
--
-- KEYS: stream, bytes, attempts, recount. ARGV: group, then ids.
-- Gives how many entries were deleted.

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
