-- Reads experiences of one shard.
--
-- KEYS  1 records     hash: key -> version (8 bytes) and the rest of the record
--       2 tombstones  hash: page -> entries of 13 bytes: fingerprint (7), what is kept (6)
--       3 meta        hash: v is virtual time at the last tick, in ms
-- ARGV  three for each experience: key, page, fingerprint
--
-- Returns v, then for each experience its record, or what is kept of it after
-- its end (6 bytes, see commit.lua), or false. v is false in an empty shard.

local function entry(page, print)
  local at = string.find(page, print, 1, true)
  while at and (at - 1) % 13 ~= 0 do
    at = string.find(page, print, at + 1, true)
  end
  return at
end

local function due(kept)
  local a, b, c, d, e, f = string.byte(kept, 1, 6)
  return math.floor((((((a * 256 + b) * 256 + c) * 256 + d) * 256 + e) * 256 + f) / 8)
end

local v = redis.call('HGET', KEYS[3], 'v')
local answer = { v }
for i = 1, #ARGV, 3 do
  local found = redis.call('HGET', KEYS[1], ARGV[i])
  if not found then
    local page = redis.call('HGET', KEYS[2], ARGV[i + 1])
    local at = page and entry(page, ARGV[i + 2])
    if at then
      local kept = string.sub(page, at + 7, at + 12)
      -- Its time is over: it is forgotten, whether or not it is gone already.
      found = v and due(kept) > tonumber(v) and kept
    end
  end
  answer[#answer + 1] = found
end
return answer
