-- Reads the versions of tags of one hash slot, giving an absent tag a new one, and makes them live long enough.
-- KEYS: the tags, then the intents of each. ARGV: least TTL in ms, a new version for each tag. Returns for each tag its version, or 'p' while it is pending.

local ttl = ARGV[1]
local now
local function is_being_written(intents)
  if redis.call('EXISTS', intents) == 0 then return false end
  if not now then
    local time = redis.call('TIME')
    now = time[1] * 1000 + math.floor(time[2] / 1000)
  end
  return redis.call('ZCOUNT', intents, '(' .. now, '+inf') > 0
end

local count = #KEYS / 2
local states = redis.call('MGET', unpack(KEYS, 1, count))
local replies = {}
for at = 1, count do
  local tag, state = KEYS[at], states[at]
  if not state then
    -- Perhaps the tag's string was evicted while a writer is at work.
    if is_being_written(KEYS[count + at]) then
      state = 'p'
    else
      state = ARGV[1 + at]
      redis.call('SET', tag, state, 'PX', ttl)
    end
  elseif string.sub(state, 1, 1) == 'p' then
    state = 'p'
  else
    local left = redis.call('PTTL', tag)
    if left >= 0 and left < tonumber(ttl) then redis.call('PEXPIRE', tag, ttl) end
  end
  replies[at] = state
end
return replies
