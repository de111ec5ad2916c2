-- What is due in one shard, the earliest first.
--
-- KEYS  1 due      sorted set: key by the virtual time at which something happens to it
--       2 records  hash: key -> record
--       3 meta     hash: v is virtual time at the last tick, in ms
-- ARGV  1 how many at most
--
-- Returns records and times in turn. A deadline without a record is what a crash
-- left of a step (see commit.lua): it is forgotten.

local v = redis.call('HGET', KEYS[3], 'v')
if not v then
  return {}
end
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', v, 'WITHSCORES', 'LIMIT', 0, ARGV[1])
local found = {}
for i = 1, #due, 2 do
  local record = redis.call('HGET', KEYS[2], due[i])
  if record then
    found[#found + 1] = record
    found[#found + 1] = due[i + 1]
  else
    redis.call('ZREM', KEYS[1], due[i])
  end
end
return found
