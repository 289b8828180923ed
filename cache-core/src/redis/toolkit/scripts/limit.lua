-- Counts a call, if it may pass: counting and the TTL of the count are one step. A refused call changes nothing: its caller's clock may
-- be ahead of the next one's.
-- KEYS: key. ARGV: algorithm, limit, window, burst, cost, now or '' for the server's time, a random text.
-- All times in microseconds. Returns allowed (1 or 0), remaining, reset after, retry after.

local algorithm, key = ARGV[1], KEYS[1]
local limit, window, burst, cost = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local now = tonumber(ARGV[6])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end
-- Lua writes large numbers with an exponent.
local function text(number) return string.format('%.0f', number) end
-- A window longer than need be: for a caller whose clock is behind, it all is less long ago.
local function keep(span) redis.call('PEXPIRE', key, text(math.ceil((span + window) / 1000))) end

if algorithm == 'fixed' then
  local index = math.floor(now / window)
  local state = redis.call('HMGET', key, 'w', 'n')
  local stored, n = tonumber(state[1]), 0
  if stored and stored >= index then
    index, n = stored, tonumber(state[2])
    now = math.max(now, index * window)
  end
  local left = (index + 1) * window - now
  if n + cost > limit then return {0, limit - n, left, left} end
  redis.call('HSET', key, 'w', text(index), 'n', text(n + cost))
  keep(left)
  return {1, limit - n - cost, left, 0}
end

if algorithm == 'log' then
  local newest = redis.call('ZREVRANGE', key, 0, 0, 'WITHSCORES')[2]
  if newest then now = math.max(now, tonumber(newest)) end
  local begin = '(' .. text(now - window)
  local n = redis.call('ZCOUNT', key, begin, '+inf')
  if n + cost > limit then
    local leaves = redis.call('ZRANGEBYSCORE', key, begin, '+inf', 'WITHSCORES', 'LIMIT', n + cost - limit - 1, 1)[2]
    return {0, limit - n, tonumber(newest) + window - now, tonumber(leaves) + window - now}
  end
  redis.call('ZREMRANGEBYSCORE', key, '-inf', text(now - window))
  for i = 1, cost do redis.call('ZADD', key, text(now), ARGV[7] .. ':' .. i) end
  keep(window)
  return {1, limit - n - cost, window, 0}
end

if algorithm == 'counter' then
  local tenths = 10
  local tenth = math.ceil(window / tenths)
  local index = math.floor(now / tenth)
  local counts, newest = {}, nil
  local stored = redis.call('HGETALL', key)
  for i = 1, #stored, 2 do
    local at = tonumber(stored[i])
    counts[#counts + 1] = {at, tonumber(stored[i + 1])}
    newest = math.max(newest or at, at)
  end
  if newest and newest > index then
    index = newest
    now = math.max(now, index * tenth)
  end
  local n, held, past = 0, {}, {}
  for _, count in ipairs(counts) do
    if count[1] < index - tenths then
      past[#past + 1] = text(count[1])
    else
      n = n + count[2]
      held[#held + 1] = count
    end
  end
  -- A tenth counts until it is wholly further back than the window.
  local function leaves(at) return (at + tenths + 1) * tenth - now end
  if n + cost > limit then
    table.sort(held, function(a, b) return a[1] < b[1] end)
    local freed, retry = 0, 0
    for _, count in ipairs(held) do
      freed = freed + count[2]
      retry = leaves(count[1])
      if freed >= n + cost - limit then break end
    end
    return {0, limit - n, leaves(newest), retry}
  end
  for _, at in ipairs(past) do redis.call('HDEL', key, at) end
  redis.call('HINCRBY', key, text(index), text(cost))
  keep((tenths + 2) * tenth)
  return {1, limit - n - cost, leaves(index), 0}
end

-- GCRA: the stored number is when the calls so far would have been due at the steady rate.
local interval = math.ceil(window / limit)
local room = burst * interval
local due = math.max(tonumber(redis.call('GET', key) or now), now)
local next_due = due + cost * interval
local wait = next_due - room - now
if wait > 0 then return {0, math.floor((room - (due - now)) / interval), due - now, wait} end
redis.call('SET', key, text(next_due))
keep(next_due - now)
return {1, math.floor((room - (next_due - now)) / interval), next_due - now, 0}
