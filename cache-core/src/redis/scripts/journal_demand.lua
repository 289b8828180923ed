-- Somebody waits for everything up to a position.
-- KEYS: state; ARGV: position
if tonumber(redis.call('HGET', KEYS[1], 'demanded') or '0') < tonumber(ARGV[1]) then
  redis.call('HSET', KEYS[1], 'demanded', ARGV[1])
end
return 1
