-- Merges boards, unless that was done a moment ago.
-- KEYS: the merged board, the boards. ARGV: 'SUM' or 'MAX', how long the merge may be used, in ms.

if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local sources = {}
for i = 2, #KEYS do sources[#sources + 1] = KEYS[i] end
local call = {'ZUNIONSTORE', KEYS[1], #sources}
for _, source in ipairs(sources) do call[#call + 1] = source end
call[#call + 1] = 'AGGREGATE'
call[#call + 1] = ARGV[1]
redis.call(unpack(call))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
