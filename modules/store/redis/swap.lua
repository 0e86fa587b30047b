-- Replaces a group's state if it is what the caller saw and the server is still in the run that the caller saw.
-- KEYS: the group's marker, its state. ARGV: marker, store, position, ttl, fence, server as they were, then as they are to be.
-- Answers 1 if it did.
if string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') ~= ARGV[12] then return 0 end
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
local state = redis.call('HMGET', KEYS[2], 'store', 'position', 'ttl', 'fence', 'server')
local absent = {'', '', '0', '0', ''}
for i = 1, 5 do
  if (state[i] or absent[i]) ~= ARGV[i + 1] then return 0 end
end
redis.call('HSET', KEYS[2], 'store', ARGV[8], 'position', ARGV[9], 'ttl', ARGV[10], 'fence', ARGV[11], 'server', ARGV[12])
if ARGV[7] == '' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[7])
end
return 1
