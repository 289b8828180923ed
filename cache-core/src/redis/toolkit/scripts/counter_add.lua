-- Adds to a counter, which never is without a TTL.
-- KEYS: counter. ARGV: how much, TTL in ms. Returns the sum as text: Lua's numbers are too short for it.

redis.call('INCRBY', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return redis.call('GET', KEYS[1])
