-- Makes one tag pending for one intent. Repeating it extends the lease.
-- KEYS: tag, intents. ARGV: channel, tag text, intent id, lease in ms. Returns 1 if the intent was held before, else 0.

-- First, because it can be refused (an ACL): then nothing has changed. A message without a change costs a look.
redis.call('PUBLISH', ARGV[1], ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local id, lease = ARGV[3], tonumber(ARGV[4])

-- Also because it is the first write, and one that frees: Redis lets a script that has begun to write finish although memory is full.
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
local held = redis.call('ZSCORE', KEYS[2], id)
local others = redis.call('ZCARD', KEYS[2])
if held then others = others - 1 end

local marker = 'p:' .. id
local ttl = lease
local state = redis.call('GET', KEYS[1])
local pending = state and string.sub(state, 1, 1) == 'p'
if pending then
  local left = redis.call('PTTL', KEYS[1])
  if left > ttl then ttl = left end
end
-- Two intents at a time, an earlier one whose end nobody saw, or a marker evicted under this very intent, so that nobody knows who
-- else came and went: contested.
if others > 0 or (pending and state ~= marker) or (held and not pending) then marker = 'p!' end
redis.call('SET', KEYS[1], marker, 'PX', ttl)

redis.call('ZADD', KEYS[2], now + lease, id)
if redis.call('PTTL', KEYS[2]) < lease then redis.call('PEXPIRE', KEYS[2], lease) end
return held and 1 or 0
