-- Takes records out: those that are in the database, or, with a letter, one that becomes a dead letter. Each counts once.
-- KEYS: log, pending, sums, state, dead keys, superseding, letters, lease
-- ARGV: owner, dead_max, error or '', 'dead' or 'done', positions..
local log, pending, sums, state, dead, newer, letters, lease =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local is_letter = ARGV[4] == 'dead'
if is_letter then
  if redis.call('GET', lease) ~= ARGV[1] then
    return 'not the flusher'
  end
  if redis.call('HLEN', letters) >= tonumber(ARGV[2]) then
    return 'full'
  end
end
local wanted = {}
for at = 5, #ARGV do
  wanted[ARGV[at] .. '-0'] = ARGV[at]
end
local changed = {}
local function of_key(key)
  if changed[key] == nil then
    local packed = redis.call('HGET', pending, key)
    changed[key] = packed and cmsgpack.unpack(packed) or false
  end
  return changed[key]
end
for _, entry in ipairs(redis.call('XRANGE', log, ARGV[5] .. '-0', ARGV[#ARGV] .. '-0')) do
  local id, fields = entry[1], entry[2]
  if wanted[id] then
    local key, kind, position = fields[2], fields[4], tonumber(wanted[id])
    redis.pcall('XACK', log, 'flushers', id)
    redis.call('XDEL', log, id)
    local waiting = of_key(key)
    if waiting then
      if kind == 'A' then
        waiting.base = waiting.base == position and 0 or waiting.base
      elseif position > waiting.base then
        local by = fields[10]
        local less = string.sub(by, 1, 1) == '-' and string.sub(by, 2) or '-' .. by
        redis.call('HINCRBY', sums, #key .. ':' .. key .. fields[8], less)
      end
      waiting.settled = position
    end
    if is_letter then
      redis.call('HSET', letters, wanted[id], cmsgpack.pack({
        key = key, kind = kind, payload = fields[6], column = fields[8], by = fields[10],
        error = ARGV[3], died = redis.call('TIME')[1]
      }))
      redis.call('HINCRBY', dead, key, 1)
      if waiting and waiting.last > position then
        redis.call('HSET', newer, key .. ':last', string.format('%.0f', waiting.last))
        if waiting.base > position then
          redis.call('HSET', newer, key .. ':base', string.format('%.0f', waiting.base))
        end
      end
    end
  end
end
for key, waiting in pairs(changed) do
  if waiting and waiting.settled and waiting.settled >= waiting.last then
    for _, name in ipairs(waiting.columns) do
      redis.call('HDEL', sums, #key .. ':' .. key .. name)
    end
    redis.call('HDEL', pending, key)
  elseif waiting then
    waiting.settled = nil
    redis.call('HSET', pending, key, cmsgpack.pack(waiting))
  end
end
if not is_letter and tonumber(ARGV[#ARGV]) > tonumber(redis.call('HGET', state, 'acknowledged') or '0') then
  redis.call('HSET', state, 'acknowledged', ARGV[#ARGV])
end
return 'ok'
