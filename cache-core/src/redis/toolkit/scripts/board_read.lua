-- Reads part of a board.
-- KEYS: board, and if it is a merge, the boards it is made of.
-- ARGV: 'page', members before, count; or 'around', member, members on each side; then for a merge: 'SUM' or 'MAX', how long it may be used, in ms.
-- Returns members before the first row, members with more than it, members in all, then members and scores.

-- In the same step: within a script no key ends.
if #KEYS > 1 and redis.call('EXISTS', KEYS[1]) == 0 then
  local call = {'ZUNIONSTORE', KEYS[1], #KEYS - 1}
  for i = 2, #KEYS do call[#call + 1] = KEYS[i] end
  call[#call + 1] = 'AGGREGATE'
  call[#call + 1] = ARGV[4]
  redis.call(unpack(call))
  redis.call('PEXPIRE', KEYS[1], ARGV[5])
end

local from, to
local total = redis.call('ZCARD', KEYS[1])
if ARGV[1] == 'page' then
  from = tonumber(ARGV[2])
  to = from + tonumber(ARGV[3]) - 1
else
  local position = redis.call('ZREVRANK', KEYS[1], ARGV[2])
  if not position then return {0, 0, total} end
  from = math.max(0, position - tonumber(ARGV[3]))
  to = position + tonumber(ARGV[3])
end
local rows = redis.call('ZREVRANGE', KEYS[1], string.format('%.0f', from), string.format('%.0f', to), 'WITHSCORES')
local reply = {from, 0, total}
if #rows > 0 then reply[2] = redis.call('ZCOUNT', KEYS[1], '(' .. rows[2], '+inf') end
for _, value in ipairs(rows) do reply[#reply + 1] = value end
return reply
