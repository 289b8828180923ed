-- Appends a group of operations, unless it was appended before.
-- ARGV: owner, sequence, backlog_max, then for each operation: key, 'A', payload; or key, 'I', column, by
local field = 'owner:' .. ARGV[1]
local before = redis.call('HGET', state, field)
if before then
  local sequence, outcomes = string.match(before, '^(%d+) (%a*)')
  if tonumber(sequence) >= tonumber(ARGV[2]) then
    return {outcomes, redis.call('XLEN', log)}
  end
else
  -- Owners that were not heard of for a day are forgotten, whenever a new one comes.
  local known = redis.call('HGETALL', state)
  for at = 1, #known, 2 do
    local seen = string.sub(known[at], 1, 6) == 'owner:' and string.match(known[at + 1], '(%d+)$')
    if seen and tonumber(time[1]) - tonumber(seen) > 86400 then
      redis.call('HDEL', state, known[at])
    end
  end
end
-- An absolute operation is three arguments, an increment is four.
local keys, count, at = {}, 0, 4
-- Whether nothing is to be known of what waits: no sums and no dead letters in the shard, and nothing but absolute operations.
local is_simple = not has_dead and redis.call('EXISTS', sums) == 0
while ARGV[at] do
  count = count + 1
  keys[count] = ARGV[at]
  local is_absolute = ARGV[at + 1] == 'A'
  is_simple = is_simple and is_absolute
  at = at + (is_absolute and 3 or 4)
end
local texts = is_simple and {} or waiting_for(pending, keys)
local room = tonumber(ARGV[3]) - redis.call('XLEN', log)
local outcomes = {}
at = 4
for number, key in ipairs(keys) do
  local kind, outcome = ARGV[at + 1], 'F'
  if room > 0 then
    if is_simple then
      outcome = accept_alone(key, ARGV[at + 2])
    elseif kind == 'A' then
      outcome = accept(changed[key] or texts[key], key, kind, ARGV[at + 2])
    else
      outcome = accept(changed[key] or texts[key], key, kind, '', ARGV[at + 2], ARGV[at + 3])
    end
    if type(outcome) == 'table' then
      finish()
      return outcome
    end
    room = outcome == 'Y' and room - 1 or room
  end
  outcomes[number] = outcome
  at = at + (kind == 'A' and 3 or 4)
end
finish()
local told = table.concat(outcomes)
redis.call('HSET', state, field, ARGV[2] .. ' ' .. told .. ' ' .. time[1])
return {told, redis.call('XLEN', log)}
