-- Takes a lock that is free, or that is held by this token already (the answer to the first request was lost).
-- KEYS: lock, its last fencing token. ARGV: token, TTL in ms, TTL of the fencing token in ms. Returns the fencing token, or nothing.

local holder = redis.call('GET', KEYS[1])
if holder == ARGV[1] then
  local fence = redis.call('GET', KEYS[2])
  if fence then
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
    return fence
  end
elseif holder then
  return false
end
-- Higher than the last one, and than the time: so that it rises although the last one was evicted.
local time = redis.call('TIME')
local fence = math.max(tonumber(redis.call('GET', KEYS[2]) or 0) + 1, time[1] * 1000000 + time[2])
fence = string.format('%.0f', fence)
redis.call('SET', KEYS[2], fence, 'PX', ARGV[3])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return fence
