-- Shared: what a byte count says.
--
-- One that is no number, since it was edited by hand, is begun anew before a script has changed anything: Redis undoes
-- nothing of a script that fails. Replay adds the entries up at once.

local function counted(counter)
  local said = redis.pcall('GET', counter)
  if said == false then return 0 end
  if type(said) == 'string' and #said < 16 and (said == '0' or string.match(said, '^[1-9]%d*$')) then
    return tonumber(said)
  end
  redis.call('SET', counter, '0')
  redis.pcall('HDEL', counter .. ':recount', 'done')
  return 0
end
