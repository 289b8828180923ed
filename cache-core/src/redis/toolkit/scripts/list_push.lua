-- Puts items at the head of a list, and drops what is too much.
-- KEYS: list. ARGV: length at most, TTL in ms, whether items are unique (1 or 0), items.

for i = 4, #ARGV do
  if ARGV[3] == '1' then redis.call('LREM', KEYS[1], 0, ARGV[i]) end
  redis.call('LPUSH', KEYS[1], ARGV[i])
end
redis.call('LTRIM', KEYS[1], 0, tonumber(ARGV[1]) - 1)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
