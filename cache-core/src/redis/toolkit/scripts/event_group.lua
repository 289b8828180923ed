-- The next events for a consumer: first those that another has had for too long, then new ones. Makes the group if there is none.
-- KEYS: stream. ARGV: group, consumer, id that a new group begins after or '$', count, idle ms, TTL in ms.
-- Returns events delivered again, and new ones.

local function claim(call)
  return call('XAUTOCLAIM', KEYS[1], ARGV[1], ARGV[2], ARGV[5], '0-0', 'COUNT', ARGV[4])
end
local claimed = claim(redis.pcall)
if claimed.err then
  if not string.find(claimed.err, 'NOGROUP', 1, true) then return claimed end
  redis.call('XGROUP', 'CREATE', KEYS[1], ARGV[1], ARGV[3], 'MKSTREAM')
  claimed = claim(redis.call)
end
redis.call('PEXPIRE', KEYS[1], ARGV[6])
-- Before Redis 7, an event that was trimmed meanwhile is claimed as nothing.
local again, fresh = {}, {}
for _, event in ipairs(claimed[2]) do
  if event and event[2] then again[#again + 1] = event end
end
local left = tonumber(ARGV[4]) - #again
if left > 0 then
  local read = redis.call('XREADGROUP', 'GROUP', ARGV[1], ARGV[2], 'COUNT', left, 'STREAMS', KEYS[1], '>')
  if read then fresh = read[1][2] end
end
return {again, fresh}
