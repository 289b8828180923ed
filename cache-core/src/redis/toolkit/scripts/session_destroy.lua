-- Ends a session.
-- KEYS: session, what the names of the bucket's indexes begin with. ARGV: digest. Returns whether there was one.

local user = redis.call('HGET', KEYS[1], '=user')
if not user then return 0 end
redis.call('ZREM', KEYS[2] .. user, ARGV[1])
redis.call('DEL', KEYS[1])
return 1
