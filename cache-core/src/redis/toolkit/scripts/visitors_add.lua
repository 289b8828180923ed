-- Adds members to a HyperLogLog.
-- KEYS: sketch. ARGV: TTL in ms, members. Returns whether the estimate may have changed.

local changed = redis.call('PFADD', KEYS[1], unpack(ARGV, 2))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return changed
