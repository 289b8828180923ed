-- Appends a group of operations, unless it was appended before.
-- ARGV: owner, sequence, backlog_max, then for each operation: key, 'A' or 'I', payload or '', column or '', by or ''
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
local keys = {}
for at = 4, #ARGV, 5 do
  keys[#keys + 1] = ARGV[at]
end
local texts = waiting_for(pending, keys)
local room = tonumber(ARGV[3]) - redis.call('XLEN', log)
local outcomes = {}
for at = 4, #ARGV, 5 do
  local key, outcome = ARGV[at], 'F'
  if room > 0 then
    outcome = accept(
      changed[key] or unpacked(texts[key]), key, ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4])
    if type(outcome) == 'table' then
      finish()
      return outcome
    end
    room = outcome == 'Y' and room - 1 or room
  end
  outcomes[#outcomes + 1] = outcome
end
finish()
local told = table.concat(outcomes)
redis.call('HSET', state, field, ARGV[2] .. ' ' .. told .. ' ' .. time[1])
return {told, redis.call('XLEN', log)}
