-- Sets a field of a session that exists, or takes it away.
-- KEYS: session. ARGV: field, and a value unless the field goes. Returns whether there is such a session.

if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
if ARGV[2] then redis.call('HSET', KEYS[1], ':' .. ARGV[1], ARGV[2]) else redis.call('HDEL', KEYS[1], ':' .. ARGV[1]) end
return 1
