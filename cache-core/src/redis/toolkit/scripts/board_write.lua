-- Writes scores.
-- KEYS: board. ARGV: 'set', 'add' or 'raise', members at most, TTL in ms, then members and scores. Returns the scores, as texts.

local scores = {}
for i = 4, #ARGV, 2 do
  if ARGV[1] == 'add' then
    redis.call('ZINCRBY', KEYS[1], ARGV[i + 1], ARGV[i])
  elseif ARGV[1] == 'raise' then
    redis.call('ZADD', KEYS[1], 'GT', ARGV[i + 1], ARGV[i])
  else
    redis.call('ZADD', KEYS[1], ARGV[i + 1], ARGV[i])
  end
  scores[#scores + 1] = redis.call('ZSCORE', KEYS[1], ARGV[i])
end
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -tonumber(ARGV[2]) - 1)
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return scores
