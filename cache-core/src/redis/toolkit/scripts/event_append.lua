-- Appends an event, and drops the oldest.
-- KEYS: stream. ARGV: length at most, TTL in ms, payload. Returns its id.

local id = redis.call('XADD', KEYS[1], 'MAXLEN', ARGV[1], '*', 'p', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return id
