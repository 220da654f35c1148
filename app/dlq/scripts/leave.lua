-- Leave: delete a consumer, but only while nothing is pending for it, since Redis would forget that too.
--
-- KEYS: stream. ARGV: group, consumer.
-- Gives 1 or 0.

for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local known = {}
  for i = 1, #consumer, 2 do known[consumer[i]] = consumer[i + 1] end
  if known['name'] == ARGV[2] and known['pending'] == 0 then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
    return 1
  end
end
return 0
