-- Ends the load of a feed. A feed that was evicted meanwhile has lost what was written to it, and stays unloaded.
-- KEYS: feed, notes, lock. ARGV: token, capacity, TTL in ms, then scores and members. Returns whether the load was taken.

if redis.call('GET', KEYS[3]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[3])
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local removed, prefixes = {}, {}
for _, note in ipairs(redis.call('SMEMBERS', KEYS[2])) do
  local text = string.sub(note, 2)
  if string.sub(note, 1, 1) == 'm' then removed[text] = true else prefixes[#prefixes + 1] = text end
end
for i = 4, #ARGV, 2 do
  local member = ARGV[i + 1]
  local gone = removed[member]
  for _, prefix in ipairs(prefixes) do gone = gone or string.sub(member, 1, #prefix) == prefix end
  if not gone then redis.call('ZADD', KEYS[1], ARGV[i], member) end
end
-- A load of as many as there is room for may have left out others.
local whole = (#ARGV - 3) / 2 < tonumber(ARGV[2])
redis.call('ZADD', KEYS[1], whole and '-inf' or '-1e308', '')
trim(KEYS[1], tonumber(ARGV[2]))
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('DEL', KEYS[2])
return 1
