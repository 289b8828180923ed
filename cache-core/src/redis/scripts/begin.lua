-- Makes tags of one hash slot pending for one intent. Repeating it extends the lease.
-- KEYS: the tags, then the intents of each. ARGV: channel, the tags' texts in lines, intent id, lease in ms.
-- Returns for each tag 1 if the intent was held before, else 0.

-- First, because it can be refused (an ACL): then nothing has changed. A message without a change costs a look.
redis.call('PUBLISH', ARGV[1], ARGV[2])
local count = #KEYS / 2
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local id, lease = ARGV[3], tonumber(ARGV[4])
-- A text is handed on as it is; a number would be spelled out for each call.
local expiry = string.format('%.0f', now + lease)
local own = 'p:' .. id
-- Also because it is the first write, and one that frees: Redis lets a script that has begun to write finish although memory is full.
redis.call('ZREMRANGEBYSCORE', KEYS[count + 1], '-inf', now)

local states = redis.call('MGET', unpack(KEYS, 1, count))
local is_any_written = redis.call('EXISTS', unpack(KEYS, count + 1)) > 0
local replies = {}
for at = 1, count do
  local tag, intents, state = KEYS[at], KEYS[count + at], states[at]
  local known = 0
  if is_any_written then
    redis.call('ZREMRANGEBYSCORE', intents, '-inf', now)
    known = redis.call('ZCARD', intents)
  end
  local held = known > 0 and redis.call('ZSCORE', intents, id)
  local others = held and known - 1 or known

  local marker = own
  local ttl = ARGV[4]
  local pending = state and string.sub(state, 1, 1) == 'p'
  if pending then
    local left = redis.call('PTTL', tag)
    if left > lease then ttl = left end
  end
  -- Two intents at a time, an earlier one whose end nobody saw, or a marker evicted under this very intent, so that nobody knows who
  -- else came and went: contested.
  if others > 0 or (pending and state ~= own) or (held and not pending) then marker = 'p!' end
  redis.call('SET', tag, marker, 'PX', ttl)

  redis.call('ZADD', intents, expiry, id)
  if known == 0 or redis.call('PTTL', intents) < lease then redis.call('PEXPIRE', intents, ARGV[4]) end
  replies[at] = held and 1 or 0
end
return replies
