-- Takes records out: all up to a position, which are in the database; or the one at a position, which becomes a dead letter.
-- KEYS: log, pending, sums, state, dead keys, superseding, letters, lease
-- ARGV: 'done', position; or 'dead', position, owner, dead_max, error
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
local entries = redis.call('XRANGE', log, is_letter and at or '-', at)
local ids, keys = {}, {}
for number, entry in ipairs(entries) do
  ids[number] = entry[1]
  keys[number] = entry[2][1]
end
local texts = waiting_for(pending, keys)
local gone, no_sums, left = {}, {}, {}
local changed, taken = {}, {}
for number, entry in ipairs(entries) do
  local key = keys[number]
  local text = texts[key]
  -- Where the operation is all that waits for its key, the text is its position.
  if text and text .. '-0' == ids[number] then
    gone[#gone + 1] = key
  elseif text then
    local fields, position = entry[2], tonumber(string.sub(ids[number], 1, -3))
    local waiting = changed[key] or unpacked(text)
    changed[key] = waiting
    if #fields == 2 then
      waiting.base = waiting.base == position and 0 or waiting.base
    elseif position > waiting.base then
      taken[#taken + 1] = {key, fields[3], fields[4]}
    end
    waiting.settled = position
  end
end
if is_letter and entries[1] then
  local fields, key, position = entries[1][2], keys[1], tonumber(ARGV[2])
  redis.call('HSET', letters, ARGV[2], cmsgpack.pack({
    key = key, kind = #fields == 2 and 'A' or 'I', payload = fields[2], column = fields[3] or '',
    by = fields[4] or '', error = ARGV[5], died = redis.call('TIME')[1]
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
for first = 1, #ids, ARGUMENTS_MAX do
  redis.call('XACK', log, 'flushers', unpack(ids, first, math.min(first + ARGUMENTS_MAX - 1, #ids)))
end
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
