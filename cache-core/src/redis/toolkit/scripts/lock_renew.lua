-- Prolongs a lock if this token holds it.
-- KEYS: lock. ARGV: token, TTL in ms. Returns whether it does.

if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0
