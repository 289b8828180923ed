-- Takes a load lock that nobody holds, or makes it last longer for the token that holds it.
-- KEYS: lock. ARGV: token, its TTL in ms. Returns 1 if the token holds it now, else nil.

if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
