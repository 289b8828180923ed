-- Ends one intent on one tag. The last one out makes the tag absent, or gives it a version if no other overlapped.
-- KEYS: tag, intents. ARGV: channel, tag text, intent id, version or '', its TTL in ms.
-- Returns 0: had expired, 1: held, 2: held and the version is set.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local id = ARGV[3]

redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
local held = redis.call('ZSCORE', KEYS[2], id)
local others = redis.call('ZCARD', KEYS[2])
if held then others = others - 1 end
-- Before any change of the tag: where it is refused, the tag stays as it was and the writer hears of it.
if not held then redis.call('PUBLISH', ARGV[1], ARGV[2]) end

-- The tag changes before the id leaves: cut short between the two, it is pending for too long and never valid too early.
local state = redis.call('GET', KEYS[1])
if others > 0 then
  if state ~= 'p!' then
    local last = redis.call('ZREVRANGE', KEYS[2], 0, 0, 'WITHSCORES')
    redis.call('SET', KEYS[1], 'p!', 'PX', math.max(last[2] - now, 1))
  end
  redis.call('ZREM', KEYS[2], id)
  return held and 1 or 0
end

if held and ARGV[4] ~= '' and state == 'p:' .. id then
  -- Refused (out of memory, an ACL): the tag can still be made absent.
  local set = redis.pcall('SET', KEYS[1], ARGV[4], 'PX', ARGV[5])
  if not set.err then
    redis.call('DEL', KEYS[2])
    return 2
  end
end
redis.call('DEL', KEYS[1])
redis.call('DEL', KEYS[2])
return held and 1 or 0
