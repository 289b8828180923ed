-- Stores a new session, and makes room for it among those of its user.
-- KEYS: session, the user's index, what the names of the bucket's sessions begin with.
-- ARGV: digest, user, idle ms, absolute ms, sessions per user, then fields and values.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local digest, absolute = ARGV[1], tonumber(ARGV[4])
local left = math.min(tonumber(ARGV[3]), absolute)

redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
local surplus = redis.call('ZCARD', KEYS[2]) - tonumber(ARGV[5]) + 1
if surplus > 0 then
  for _, old in ipairs(redis.call('ZRANGE', KEYS[2], 0, surplus - 1)) do
    redis.call('DEL', KEYS[3] .. old)
    redis.call('ZREM', KEYS[2], old)
  end
end

redis.call('HSET', KEYS[1], '=user', ARGV[2], '=created', now, '=ends', now + absolute)
redis.call('PEXPIRE', KEYS[1], left)
for i = 6, #ARGV, 2 do redis.call('HSET', KEYS[1], ':' .. ARGV[i], ARGV[i + 1]) end
redis.call('ZADD', KEYS[2], now + left, digest)
if redis.call('PTTL', KEYS[2]) < left then redis.call('PEXPIRE', KEYS[2], left) end
return 1
