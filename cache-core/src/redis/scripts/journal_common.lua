-- What appending and reviving share. KEYS: log, pending, sums, state, dead keys, superseding, letters
local log, pending, sums, state, dead, newer = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local time = redis.call('TIME')
local clock = tonumber(time[1]) * 1000000 + tonumber(time[2])
-- Microseconds since 1970, or one more than the last: positions grow even if Redis comes back with an older state.
local position = tonumber(redis.call('HGET', state, 'tail') or '0')
local has_dead = redis.call('EXISTS', dead) == 1
-- What waits for the keys that were changed: a text, or as it is unpacked.
local changed = {}

local function step()
  position = position < clock and clock or position + 1
  -- Digits alone: a stream would take more time to read `1e15`, and `%.0f` takes more to write.
  return string.format('%d', position)
end

-- An absolute operation is one field, named by the key; an increment has a second one, named by the column.
local function added(id, ...)
  local done = redis.pcall('XADD', log, id, ...)
  return type(done) == 'table' and done.err and done
end

-- Appends an absolute operation where nothing was added to a column: the new position is all there is to know.
local function accept_alone(key, payload)
  local id = step()
  changed[key] = id
  return added(id, key, payload) or 'Y'
end

-- Appends one operation to those of its key: 'Y', 'O' if a sum does not fit, or what Redis refuses with.
local function accept(text, key, kind, payload, column, by)
  if kind == 'A' and not has_dead and (not text or tonumber(text)) then
    return accept_alone(key, payload)
  end
  local waiting = type(text) == 'table' and text or unpacked(text)
  if kind == 'I' then
    local sum = redis.pcall('HINCRBY', sums, #key .. ':' .. key .. column, by)
    if type(sum) == 'table' then
      return string.find(sum.err, 'overflow', 1, true) and 'O' or sum
    end
  end
  local id = step()
  local refused
  if kind == 'A' then
    refused = added(id, key, payload)
  else
    refused = added(id, key, '', column, by)
  end
  if refused then
    return refused
  end
  if kind == 'A' then
    for _, name in ipairs(waiting.columns) do
      redis.call('HDEL', sums, #key .. ':' .. key .. name)
    end
    waiting.base = position
    waiting.columns = {}
  else
    local known = false
    for _, name in ipairs(waiting.columns) do
      known = known or name == column
    end
    if not known then
      waiting.columns[#waiting.columns + 1] = column
    end
  end
  waiting.last = position
  changed[key] = waiting
  if has_dead and redis.call('HEXISTS', dead, key) == 1 then
    redis.call('HSET', newer, key .. ':last', id)
    if kind == 'A' then
      redis.call('HSET', newer, key .. ':base', id)
    end
  end
  return 'Y'
end

-- Writes down what was accepted.
local function finish()
  local arguments, count = {}, 0
  for key, waiting in pairs(changed) do
    arguments[count + 1] = key
    arguments[count + 2] = type(waiting) == 'string' and waiting or packed(waiting)
    count = count + 2
  end
  if count > 0 then
    call_with('HSET', pending, arguments)
    redis.call('HSET', state, 'tail', string.format('%d', position))
  end
end

local function forget(letters, at, key)
  redis.call('HDEL', letters, at)
  if redis.call('HINCRBY', dead, key, -1) <= 0 then
    redis.call('HDEL', dead, key)
    redis.call('HDEL', newer, key .. ':last', key .. ':base')
  end
end

local function is_superseded(letter, at)
  local newest = redis.call('HGET', newer, letter.key .. (letter.kind == 'A' and ':last' or ':base'))
  return tonumber(newest or '0') > tonumber(at)
end
