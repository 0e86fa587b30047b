-- Removes rows of a group. KEYS: the group's state, then a key per row. ARGV: the caller's fence. Answers 0 if the fence is newer, else 1.
local fence = redis.call('HGET', KEYS[1], 'fence') or '0'
if tonumber(ARGV[1]) < tonumber(fence) then return 0 end
for i = 2, #KEYS do redis.call('UNLINK', KEYS[i]) end
return 1
