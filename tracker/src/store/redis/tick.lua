-- Sets a shard's virtual time, if nobody was faster, and forgets the tombstones
-- of one page whose time is over.
--
-- KEYS  1 meta        hash: time is the row of virtual time, v its milliseconds
--       2 tombstones  hash: page -> entries, see commit.lua; the oldest stand in front
--       3 outbox      stream of log lines
-- ARGV  1 the row that the new one was computed from, empty for none
--       2 the new row, 3 its milliseconds
--       4 the page to clear
--
-- Returns the row that stands now, and how many lines wait in this shard.

local time = redis.call('HGET', KEYS[1], 'time') or ''
if time == ARGV[1] then
  time = ARGV[2]
  -- The first write; see commit.lua.
  redis.call('HSET', KEYS[1], 'time', time, 'v', ARGV[3])
  local entries = redis.call('HGET', KEYS[2], ARGV[4])
  local first = 1
  while entries and first < #entries do
    local a, b, c, d, e, f = string.byte(entries, first + 7, first + 12)
    local due = math.floor((((((a * 256 + b) * 256 + c) * 256 + d) * 256 + e) * 256 + f) / 8)
    if due > tonumber(ARGV[3]) then
      break
    end
    first = first + 13
  end
  if first > 1 then
    if first < #entries then
      redis.call('HSET', KEYS[2], ARGV[4], string.sub(entries, first))
    else
      redis.call('HDEL', KEYS[2], ARGV[4])
    end
  end
end
return { time, redis.call('XLEN', KEYS[3]) }
