-- What waits for a key, as a text: its position alone, where that is one absolute operation.
local function unpacked(text)
  local position = tonumber(text or '0')
  if position then
    return {base = position, last = position, columns = {}}
  end
  return cmsgpack.unpack(text)
end

local function packed(waiting)
  if waiting.base == waiting.last and #waiting.columns == 0 then
    return string.format('%d', waiting.last)
  end
  return cmsgpack.pack(waiting)
end

-- The arguments of one command: Lua's stack is bounded.
local ARGUMENTS_MAX = 2000

-- Calls a command on a key with many arguments, in parts.
local function call_with(command, key, arguments)
  for first = 1, #arguments, ARGUMENTS_MAX do
    redis.call(command, key, unpack(arguments, first, math.min(first + ARGUMENTS_MAX - 1, #arguments)))
  end
end

-- What waits for each of many keys, by key.
local function waiting_for(hash, keys)
  local found = {}
  for first = 1, #keys, ARGUMENTS_MAX do
    local last = math.min(first + ARGUMENTS_MAX - 1, #keys)
    local texts = redis.call('HMGET', hash, unpack(keys, first, last))
    for at = first, last do
      found[keys[at]] = texts[at - first + 1]
    end
  end
  return found
end
