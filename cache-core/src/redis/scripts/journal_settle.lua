-- Takes records out: all up to a position, which are in the database; or the one at a position, which becomes a dead letter.
-- KEYS: log, pending, sums, state, dead keys, superseding, letters, lease
-- ARGV: 'done', position, then for each record its position, key, column and sum; or 'dead', position, owner, dead_max, error
local log, pending, sums, state, dead, newer, letters, lease =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local is_letter, at = ARGV[1] == 'dead', ARGV[2] .. '-0'
if is_letter then
  if redis.call('GET', lease) ~= ARGV[3] then
    return 'not the flusher'
  end
  if redis.call('HLEN', letters) >= tonumber(ARGV[4]) then
    return 'full'
  end
end

-- Of each record: its position, its key, and the column that it adds to with the sum, unless it is absolute.
local positions, keys, columns, sums_of, payload = {}, {}, {}, {}, nil

-- What the caller says it has claimed, unless some of that is gone from the log, or was acknowledged before: a record counts once.
local function as_claimed()
  local count = (#ARGV - 2) / 4
  local oldest = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
  if count == 0 or not oldest or oldest[1] ~= ARGV[3] .. '-0' then
    return false
  end
  local ids = {}
  for number = 1, count do
    local first = 4 * number - 1
    positions[number], keys[number] = ARGV[first], ARGV[first + 1]
    columns[number], sums_of[number] = ARGV[first + 2], ARGV[first + 3]
    ids[number] = ARGV[first] .. '-0'
  end
  local acknowledged = 0
  for first = 1, count, ARGUMENTS_MAX do
    local last = math.min(first + ARGUMENTS_MAX - 1, count)
    acknowledged = acknowledged + redis.call('XACK', log, 'flushers', unpack(ids, first, last))
  end
  return acknowledged == count
end

local function as_in_the_log()
  positions, keys, columns, sums_of = {}, {}, {}, {}
  for number, entry in ipairs(redis.call('XRANGE', log, is_letter and at or '-', at)) do
    local fields = entry[2]
    positions[number], keys[number] = string.sub(entry[1], 1, -3), fields[1]
    columns[number], sums_of[number], payload = fields[3] or '', fields[4] or '', fields[2]
    redis.call('XACK', log, 'flushers', entry[1])
  end
end

if is_letter or not as_claimed() then
  as_in_the_log()
end
local texts = waiting_for(pending, keys)
local gone, no_sums, left = {}, {}, {}
local changed, taken = {}, {}
for number, key in ipairs(keys) do
  local text, position = texts[key], positions[number]
  -- Where the operation is all that waits for its key, the text is its position.
  if text and text == position then
    gone[#gone + 1] = key
  elseif text then
    position = tonumber(position)
    local waiting = changed[key] or unpacked(text)
    changed[key] = waiting
    if columns[number] == '' then
      waiting.base = waiting.base == position and 0 or waiting.base
    elseif position > waiting.base then
      taken[#taken + 1] = {key, columns[number], sums_of[number]}
    end
    waiting.settled = position
  end
end
if is_letter and keys[1] then
  local key, position = keys[1], tonumber(ARGV[2])
  redis.call('HSET', letters, ARGV[2], cmsgpack.pack({
    key = key, kind = columns[1] == '' and 'A' or 'I', payload = payload, column = columns[1],
    by = sums_of[1], error = ARGV[5], died = redis.call('TIME')[1]
  }))
  redis.call('HINCRBY', dead, key, 1)
  local waiting = changed[key]
  if waiting and waiting.last > position then
    redis.call('HSET', newer, key .. ':last', string.format('%d', waiting.last))
    if waiting.base > position then
      redis.call('HSET', newer, key .. ':base', string.format('%d', waiting.base))
    end
  end
end
for key, waiting in pairs(changed) do
  if waiting.settled >= waiting.last then
    gone[#gone + 1] = key
    for _, name in ipairs(waiting.columns) do
      no_sums[#no_sums + 1] = #key .. ':' .. key .. name
    end
    changed[key] = false
  else
    waiting.settled = nil
    left[#left + 1] = key
    left[#left + 1] = packed(waiting)
  end
end
for _, one in ipairs(taken) do
  local key, column, by = one[1], one[2], one[3]
  if changed[key] then
    local less = string.sub(by, 1, 1) == '-' and string.sub(by, 2) or '-' .. by
    -- The sum of all fits 64 bits. That of the later ones may not: then it is not told rightly until the next is taken out.
    redis.pcall('HINCRBY', sums, #key .. ':' .. key .. column, less)
  end
end
call_with('HDEL', sums, no_sums)
call_with('HDEL', pending, gone)
call_with('HSET', pending, left)
if is_letter then
  redis.call('XDEL', log, at)
  return 'ok'
end
-- A stream forgets its oldest entries by whole pages, and single ones by walking through a page.
redis.call('XTRIM', log, 'MINID', ARGV[2] .. '-1')
if tonumber(ARGV[2]) > tonumber(redis.call('HGET', state, 'acknowledged') or '0') then
  redis.call('HSET', state, 'acknowledged', ARGV[2])
end
return 'ok'
