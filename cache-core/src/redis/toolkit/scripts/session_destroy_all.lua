-- Ends all sessions of a user, but one if that is given.
-- KEYS: the user's index, what the names of the bucket's sessions begin with. ARGV: digest to keep, or ''. Returns how many.

local ended = 0
for _, digest in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if digest ~= ARGV[1] then
    ended = ended + redis.call('DEL', KEYS[2] .. digest)
    redis.call('ZREM', KEYS[1], digest)
  end
end
return ended
