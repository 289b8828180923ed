-- Gives a load lock back if it is still held by this token.
-- KEYS: lock. ARGV: token. Returns 1 if it was given back.

if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
