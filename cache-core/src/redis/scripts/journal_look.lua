-- The state of a shard.
-- KEYS: log, state, letters
local log, state, letters = KEYS[1], KEYS[2], KEYS[3]
local first = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)
local oldest, age = '0', 0
if first[1] then
  oldest = string.match(first[1][1], '^%d+')
  local time = redis.call('TIME')
  age = math.max(tonumber(time[1]) * 1000000 + tonumber(time[2]) - tonumber(oldest), 0)
end
return {
  redis.call('XLEN', log), oldest, age,
  redis.call('HGET', state, 'tail') or '0', redis.call('HGET', state, 'demanded') or '0', redis.call('HLEN', letters)
}
