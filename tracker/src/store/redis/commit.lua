-- Changes one experience, if it still is what the change was computed from:
-- record, deadline, tombstone, counters and log lines in one step.
--
-- KEYS  1 records     hash: key -> version (8 bytes) and the rest of the record
--       2 due         sorted set: key by the virtual time at which something happens to it
--       3 unfinished  sorted set, one a definition: key by when it began, in ms
--       4 tombstones  hash: page -> entries of 13 bytes: fingerprint (7), what is kept (6)
--       5 names       hash: digest -> user_experience_id, tenant and form of the correlation id
--       6 definitions hash: digest -> definition
--       7 counters    hash: digest of the definition, cell, type -> number
--       8 outbox      stream of log lines; ids rise with the microseconds of the clock
--       9 meta        hash: v is virtual time, line the last id given out
-- ARGV  1 key, 2 expected: version, what is kept, or empty for nothing
--       3 page, 4 fingerprint of the tombstone
--       5 record, 6 deadline, 7 when it began: each empty if there is none
--       8 what is kept of it once it is a tombstone: due * 8 + outcome, 6 bytes; else empty
--       9 how many digests it has, and two for each: digest, and what that stands
--         for, or empty if the shard should know. The first is of its name, the
--         others are of definitions
--         how many counters move, and two for each: field, by how much
--         the rest: log lines
--
-- Returns 1; -1 if it is not what was expected;
-- -2 if it does not know a digest. In both of these cases nothing has happened.
--
-- Every write says what there is then, and none by how much it changes: a Redis
-- that died while it wrote its append-only file may later do a first part of a
-- step that nobody heard of, and that was done again since. Nothing counts twice
-- by that. The record comes last: until it is there, the step can be done again,
-- and its lines are better told twice than never.

local key, expected, page, print = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local record, deadline, began, keep = ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local exact = 2 ^ 53 -- below it, this language knows each whole number

local function due(kept)
  local a, b, c, d, e, f = string.byte(kept, 1, 6)
  return math.floor((((((a * 256 + b) * 256 + c) * 256 + d) * 256 + e) * 256 + f) / 8)
end

local meta = redis.call('HMGET', KEYS[9], 'v', 'line')
local v, line = tonumber(meta[1] or 0), tonumber(meta[2] or 0)
local current = redis.call('HGET', KEYS[1], key)
local entries, at = '', nil
if current then
  current = string.sub(current, 1, 8)
else
  current = ''
end
if current == '' or keep ~= '' then
  entries = redis.call('HGET', KEYS[4], page) or ''
  at = string.find(entries, print, 1, true)
  while at and (at - 1) % 13 ~= 0 do
    at = string.find(entries, print, at + 1, true)
  end
  if at and current == '' then
    local kept = string.sub(entries, at + 7, at + 12)
    current = due(kept) > v and kept or ''
  end
end
if current ~= expected then
  return -1
end

local place = 10
for _ = 1, tonumber(ARGV[9]) do
  local known = place == 10 and KEYS[5] or KEYS[6]
  if ARGV[place + 1] == '' and redis.call('HEXISTS', known, ARGV[place]) == 0 then
    return -2
  end
  place = place + 2
end
local digests, counts = place - 1, tonumber(ARGV[place])
local lines = place + 1 + 2 * counts

if ARGV[lines] then
  local now = redis.call('TIME')
  line = math.max(line, now[1] * 1000000 + now[2])
end
-- The first write: without memory, Redis refuses a script at its first write
-- that takes some, and lets it finish after that. It must not start with one
-- that only takes away.
redis.call('HSET', KEYS[9], 'line', string.format('%.0f', line + #ARGV - lines + 1))

for i = 10, digests, 2 do
  if ARGV[i + 1] ~= '' then
    redis.call('HSET', i == 10 and KEYS[5] or KEYS[6], ARGV[i], ARGV[i + 1])
  end
end
local moved = {}
for i = place + 1, lines - 1, 2 do
  moved[#moved + 1] = ARGV[i]
end
local numbers = counts > 0 and redis.call('HMGET', KEYS[7], unpack(moved))
local sums = {}
for i, field in ipairs(moved) do
  local by = ARGV[place + 2 * i]
  local before, change = tonumber(numbers[i] or 0), tonumber(by)
  if math.max(math.abs(before), math.abs(change), math.abs(before + change)) < exact then
    sums[#sums + 1] = field
    sums[#sums + 1] = string.format('%.0f', before + change)
  else
    local done = redis.pcall('HINCRBY', KEYS[7], field, by)
    if type(done) == 'table' and done.err then
      redis.call('HSET', KEYS[7], field, '9223372036854775807') -- it would pass this
    end
  end
end
if #sums > 0 then
  redis.call('HSET', KEYS[7], unpack(sums))
end

if record ~= '' then
  redis.call('ZADD', KEYS[2], deadline, key)
else
  redis.call('ZREM', KEYS[2], key)
end
if began ~= '' then
  redis.call('ZADD', KEYS[3], began, key)
else
  redis.call('ZREM', KEYS[3], key)
end

if at or keep ~= '' then
  if at then
    entries = string.sub(entries, 1, at - 1) .. string.sub(entries, at + 13)
  end
  local first = 1 -- the oldest stand in front
  while first < #entries and due(string.sub(entries, first + 7, first + 12)) <= v do
    first = first + 13
  end
  entries = string.sub(entries, first)
  if keep ~= '' then
    entries = entries .. print .. keep
  end
  if entries == '' then
    redis.call('HDEL', KEYS[4], page)
  else
    redis.call('HSET', KEYS[4], page, entries)
  end
end

for i = lines, #ARGV do
  line = line + 1
  redis.call('XADD', KEYS[8], string.format('%.0f-0', line), 'l', ARGV[i])
end
if record ~= '' then
  redis.call('HSET', KEYS[1], key, record)
else
  redis.call('HDEL', KEYS[1], key)
end
return 1
