-- Keeps entries of the ledger: of two of a field that of the later cut-off. KEYS: the hash. ARGV: fields and values in turn, of which the first 8
-- bytes are the cut-off.
for i = 1, #ARGV, 2 do
  local field, incoming = ARGV[i], ARGV[i + 1]
  local kept = redis.call('HGET', KEYS[1], field)
  local later = true
  if kept then
    local a, b = struct.unpack('>I4I4', incoming)
    local c, d = struct.unpack('>I4I4', kept)
    later = a > c or a == c and b > d
  end
  if later then redis.call('HSET', KEYS[1], field, incoming) end
end
return 0
