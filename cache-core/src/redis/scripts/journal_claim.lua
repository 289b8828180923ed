-- Becomes, or stays, the flusher of a shard, and takes the oldest of the records that were delivered and never acknowledged, by whomever. What
-- is newer comes after all of them, and is read by the caller itself: a script would spell out each record twice.
-- KEYS: log, lease; ARGV: owner, lease in milliseconds, count
-- Returns the records, and 1 if there are no more of them, else 0; or false if another is the flusher.
local log, lease, owner, count = KEYS[1], KEYS[2], ARGV[1], tonumber(ARGV[3])
local holder = redis.call('GET', lease)
if holder and holder ~= owner then
  return false
end
redis.call('SET', lease, owner, 'PX', ARGV[2])
local function claim(count, ...)
  return redis.pcall('XAUTOCLAIM', log, 'flushers', owner, 0, '0-0', 'COUNT', count, ...)
end
local claimed = claim(count)
if claimed.err then
  redis.call('XGROUP', 'CREATE', log, 'flushers', '0', 'MKSTREAM')
  claimed = claim(count)
  if claimed.err then
    return claimed
  end
end
if not holder then
  -- The consumers of flushers that are gone go, once nothing is pending for them.
  claim(20000, 'JUSTID')
  for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', log, 'flushers')) do
    if consumer[2] ~= owner and consumer[4] == 0 then
      redis.call('XGROUP', 'DELCONSUMER', log, 'flushers', consumer[2])
    end
  end
end
local records = {}
for _, entry in ipairs(claimed[2]) do
  if type(entry) == 'table' and type(entry[2]) == 'table' and #records < count then
    records[#records + 1] = entry
  end
end
return {records, claimed[1] == '0-0' and 1 or 0}
