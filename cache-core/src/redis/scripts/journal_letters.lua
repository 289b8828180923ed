-- Lists, forgets or appends again: dead letters.
-- ARGV: 'list', limit; or 'forget' or 'revive', position
local letters = KEYS[7]
if ARGV[1] == 'list' then
  local positions = redis.call('HKEYS', letters)
  table.sort(positions, function(a, b) return tonumber(a) < tonumber(b) end)
  local found = {}
  for i = 1, math.min(#positions, tonumber(ARGV[2])) do
    local at = positions[i]
    local letter = cmsgpack.unpack(redis.call('HGET', letters, at))
    found[i] = {
      at, letter.key, letter.kind, letter.payload, letter.column, letter.by, letter.error, letter.died,
      is_superseded(letter, at) and '1' or '0'
    }
  end
  return found
end
local at = ARGV[2]
local text = redis.call('HGET', letters, at)
if not text then
  return 'unknown'
end
local letter = cmsgpack.unpack(text)
if ARGV[1] == 'revive' then
  if is_superseded(letter, at) then
    return 'superseded'
  end
  local outcome = accept(redis.call('HGET', pending, letter.key), letter.key, letter.kind, letter.payload, letter.column, letter.by)
  finish()
  if outcome ~= 'Y' then
    return outcome
  end
end
forget(letters, at, letter.key)
return 'done'
