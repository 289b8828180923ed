-- Ends one intent on tags of one hash slot. The last one out makes a tag absent, or gives it a version if no other overlapped.
-- KEYS: the tags, then the intents of each. ARGV: channel, intent id, version or '', its TTL in ms, each tag's text.
-- Returns for each tag 0: had expired, 1: held, 2: held and the version is set.

local channel, id, version, ttl = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local own = 'p:' .. id
local count = #KEYS / 2
local now
local absent, replies = {}, {}

local function forget(key)
  absent[#absent + 1] = key
end

-- This intent's own marker lasts as long as the intent, and any other intent would have put another in its place: it is alone.
local function finish_alone(tag, intents)
  forget(intents)
  -- Refused (out of memory, an ACL): the tag can still be made absent.
  if version ~= '' and not redis.pcall('SET', tag, version, 'PX', ttl).err then return 2 end
  forget(tag)
  return 1
end

local function finish(tag, intents, state, text)
  if not now then
    local time = redis.call('TIME')
    now = time[1] * 1000 + math.floor(time[2] / 1000)
  end
  redis.call('ZREMRANGEBYSCORE', intents, '-inf', now)
  local held = redis.call('ZSCORE', intents, id)
  local others = redis.call('ZCARD', intents)
  if held then others = others - 1 end
  -- Before any change of the tag: where it is refused, the tag stays as it was and the writer hears of it.
  if not held then redis.call('PUBLISH', channel, text) end
  if others == 0 then
    forget(tag)
    forget(intents)
    return held and 1 or 0
  end
  -- The tag changes before the id leaves: cut short between the two, it is pending for too long and never valid too early.
  if state ~= 'p!' then
    local last = redis.call('ZREVRANGE', intents, 0, 0, 'WITHSCORES')
    redis.call('SET', tag, 'p!', 'PX', math.max(last[2] - now, 1))
  end
  redis.call('ZREM', intents, id)
  return held and 1 or 0
end

local states = redis.call('MGET', unpack(KEYS, 1, count))
for at = 1, count do
  local tag, intents, state = KEYS[at], KEYS[count + at], states[at]
  replies[at] = state == own and finish_alone(tag, intents) or finish(tag, intents, state, ARGV[4 + at])
end
if #absent > 0 then redis.call('DEL', unpack(absent)) end
return replies
