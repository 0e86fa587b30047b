-- Answers a group's state: marker, store, position, ttl, removal, fence, raised, server. KEYS: the group's marker, its state.
local state = redis.call('HMGET', KEYS[2], 'store', 'position', 'ttl', 'removal', 'fence', 'raised', 'server')
return {redis.call('GET', KEYS[1]) or '', state[1] or '', state[2] or '', state[3] or '0', state[4] or '0', state[5] or '0', state[6] or '0', state[7] or ''}
