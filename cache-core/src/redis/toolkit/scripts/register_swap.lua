-- Writes a register, or empties it, if it holds what is expected.
-- KEYS: register. ARGV: 'any', 'absent', 'version' or 'value', what is expected, TTL in ms, and the value unless it is emptied.
-- Returns whether that was done, and version and value as they are now.

local version, value = unpack(redis.call('HMGET', KEYS[1], 'v', 'd'))
local mode = ARGV[1]
local good = mode == 'any' or (mode == 'absent' and not version) or (mode == 'version' and version == ARGV[2])
  or (mode == 'value' and value == ARGV[2])
if not good then
  if version then return {0, version, value} end
  return {0}
end
if not ARGV[4] then
  redis.call('DEL', KEYS[1])
  return {1}
end
-- Higher than the last one, and than the time: a version does not come back with a value that was gone in between.
local time = redis.call('TIME')
local next = string.format('%.0f', math.max(tonumber(version or 0) + 1, time[1] * 1000000 + time[2]))
redis.call('HSET', KEYS[1], 'v', next, 'd', ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return {1, next, ARGV[4]}
