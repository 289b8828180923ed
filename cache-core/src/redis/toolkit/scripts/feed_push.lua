-- Puts members into a feed. Repeating it changes nothing.
-- KEYS: feed. ARGV: capacity, TTL in ms, whether to create it (1 or 0), then scores and members. Returns whether it was there, or made.

if ARGV[3] == '0' and redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
for i = 4, #ARGV, 2 do redis.call('ZADD', KEYS[1], ARGV[i], ARGV[i + 1]) end
trim(KEYS[1], tonumber(ARGV[1]))
if ARGV[3] == '1' then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 1
