-- Reads a session, and lets it live on if asked to.
-- KEYS: session, what the names of the bucket's indexes begin with. ARGV: digest, idle ms or ''.
-- Returns nothing, or: ms left, then fields and values as they are stored.

local fields = redis.call('HGETALL', KEYS[1])
if #fields == 0 then return false end
if ARGV[2] ~= '' then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local user, ends
  for i = 1, #fields, 2 do
    if fields[i] == '=user' then user = fields[i + 1] end
    if fields[i] == '=ends' then ends = tonumber(fields[i + 1]) end
  end
  local left = math.min(tonumber(ARGV[2]), ends - now)
  if left <= 0 then
    redis.call('DEL', KEYS[1])
    redis.call('ZREM', KEYS[2] .. user, ARGV[1])
    return false
  end
  redis.call('PEXPIRE', KEYS[1], left)
  redis.call('ZADD', KEYS[2] .. user, now + left, ARGV[1])
  if redis.call('PTTL', KEYS[2] .. user) < left then redis.call('PEXPIRE', KEYS[2] .. user, left) end
end
table.insert(fields, 1, redis.call('PTTL', KEYS[1]))
return fields
