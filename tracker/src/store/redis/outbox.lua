-- Log lines of one shard, the oldest first, for the one tracker that delivers
-- them: two would write each line twice. If it goes away, another one takes over.
--
-- KEYS  1 outbox  stream of log lines
--       2 reader  string: who delivers; expires
-- ARGV  1 who asks, 2 for how many ms that holds, 3 how many lines at most
--
-- Returns the stream's entries; none to whoever is not the one.

local reader = redis.call('GET', KEYS[2])
if reader and reader ~= ARGV[1] then
  return {}
end
-- Without memory it is refused; to go on reading is what frees some.
redis.pcall('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', ARGV[3])
