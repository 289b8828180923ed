-- Reads a tag's version, giving an absent tag a new one, and makes it live long enough.
-- KEYS: tag, intents. ARGV: new version, least TTL in ms. Returns the version, or 'p' while the tag is pending.

local state = redis.call('GET', KEYS[1])
if not state then
  -- The tag's string was evicted while a writer is at work.
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  if redis.call('ZCOUNT', KEYS[2], '(' .. now, '+inf') > 0 then return 'p' end
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return ARGV[1]
end
if string.sub(state, 1, 1) == 'p' then return 'p' end
local left = redis.call('PTTL', KEYS[1])
if left >= 0 and left < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return state
