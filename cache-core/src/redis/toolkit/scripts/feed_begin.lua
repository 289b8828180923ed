-- Takes the turn to load a feed. From now on writes go into it, so that none is lost between the load and its end.
-- KEYS: feed, notes, lock. ARGV: token, lease in ms. Returns 2: is loaded, 1: the caller's turn, 0: somebody else's.

local mark = redis.call('ZSCORE', KEYS[1], '')
if mark and mark ~= 'inf' then return 2 end
if not redis.call('SET', KEYS[3], ARGV[1], 'NX', 'PX', ARGV[2]) then return 0 end
redis.call('DEL', KEYS[2])
redis.call('ZADD', KEYS[1], '+inf', '')
local lease = tonumber(ARGV[2])
if redis.call('PTTL', KEYS[1]) < 2 * lease then redis.call('PEXPIRE', KEYS[1], 2 * lease) end
return 1
