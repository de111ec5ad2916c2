-- What is due in one shard, the earliest first.
--
-- KEYS  1 due      sorted set: key by the virtual time at which something happens to it
--       2 records  hash: key -> record
--       3 meta     hash: v is virtual time at the last tick, in ms
-- ARGV  1 how many at most
--
-- Returns records and times in turn.

local v = redis.call('HGET', KEYS[3], 'v')
if not v then
  return {}
end
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', v, 'WITHSCORES', 'LIMIT', 0, ARGV[1])
for i = 1, #due, 2 do
  due[i] = redis.call('HGET', KEYS[2], due[i])
end
return due
