-- A feed's own mark is the empty member: at +inf while the feed is not loaded, at -inf when it is whole, and at -1e308 when it is loaded
-- but for members that were dropped for lack of room.
local function trim(feed, capacity)
  local mark = redis.call('ZSCORE', feed, '')
  local members = redis.call('ZCARD', feed)
  local lowest = 0
  if mark then members = members - 1 end
  if members <= capacity then return end
  if mark and mark ~= 'inf' then lowest = 1 end
  redis.call('ZREMRANGEBYRANK', feed, lowest, lowest + members - capacity - 1)
  if mark ~= 'inf' then redis.call('ZADD', feed, '-1e308', '') end
end
