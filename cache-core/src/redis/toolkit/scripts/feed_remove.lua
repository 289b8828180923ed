-- Takes members out of a feed. While somebody loads it, what is removed is noted, so that it does not come back with the load.
-- KEYS: feed, notes, lock. ARGV: 'm' for one member or 'p' for all that begin so, the text. Returns how many there were.

local left = redis.call('PTTL', KEYS[3])
if left > 0 then
  redis.call('SADD', KEYS[2], ARGV[1] .. ARGV[2])
  redis.call('PEXPIRE', KEYS[2], left)
end
if ARGV[1] == 'm' then return redis.call('ZREM', KEYS[1], ARGV[2]) end
local removed = 0
for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if member ~= '' and string.sub(member, 1, #ARGV[2]) == ARGV[2] then removed = removed + redis.call('ZREM', KEYS[1], member) end
end
return removed
