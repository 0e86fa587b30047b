-- Replaces a group's state if it is what the caller saw and the server is still in the run that the caller saw.
-- KEYS: the group's marker, its state. ARGV: marker, store, position, ttl, removal, fence, raised, server as they were, then as they
-- are to be. Answers 1 if it did.
if string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') ~= ARGV[16] then return 0 end
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
local state = redis.call('HMGET', KEYS[2], 'store', 'position', 'ttl', 'removal', 'fence', 'raised', 'server')
local absent = {'', '', '0', '0', '0', '0', ''}
for i = 1, 7 do
  if (state[i] or absent[i]) ~= ARGV[i + 1] then return 0 end
end
redis.call('HSET', KEYS[2], 'store', ARGV[10], 'position', ARGV[11], 'ttl', ARGV[12], 'removal', ARGV[13], 'fence', ARGV[14], 'raised', ARGV[15],
  'server', ARGV[16])
if ARGV[9] == '' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[9])
end
return 1
