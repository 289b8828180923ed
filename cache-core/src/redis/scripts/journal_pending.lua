-- What waits for a key besides what is in the database by a position.
-- KEYS: log, pending, sums, state; ARGV: key, position written
local log, pending, sums, state, key, written = KEYS[1], KEYS[2], KEYS[3], KEYS[4], ARGV[1], tonumber(ARGV[2])
local acknowledged = redis.call('HGET', state, 'acknowledged') or '0'
local text = redis.call('HGET', pending, key)
if not text then
  return {acknowledged, false, {}, {}}
end
local waiting = unpacked(text)
local base = false
if waiting.base > written then
  local id = string.format('%d-0', waiting.base)
  local entry = redis.call('XRANGE', log, id, id)[1]
  base = entry and entry[2][2]
end
local added = {}
for _, name in ipairs(waiting.columns) do
  added[#added + 1] = name
  added[#added + 1] = redis.call('HGET', sums, #key .. ':' .. key .. name) or '0'
end
local over = {}
if not base and written > tonumber(acknowledged) then
  -- In the database, and not acknowledged yet: at most the batch that is being written.
  local after = string.format('(%d-0', math.max(waiting.base, 0))
  for _, entry in ipairs(redis.call('XRANGE', log, after, string.format('%d-0', written))) do
    if entry[2][1] == key and #entry[2] == 4 then
      over[#over + 1] = entry[2][3]
      over[#over + 1] = entry[2][4]
    end
  end
end
return {acknowledged, base, added, over}
