-- Merges packed rows (package packed) into the stored ones: of each feature the newer value stays. It does what packed.Merge
-- does, byte for byte.
-- KEYS: the group's marker, its state, then a key per row.
-- ARGV: the writer's fence; "1" if the marker may be absent; then for each key the row and its expiry in ms ("0": never).
-- Answers {0, rows written, rows older, fence}, {1, 0, 0, fence} if the fence is newer, {2, 0, 0, fence} if the marker is absent.
local fence = call('HGET', KEYS[2], 'fence') or '0'
if tonumber(ARGV[1]) < tonumber(fence) then return {1, 0, 0, fence} end
if ARGV[2] ~= '1' and call('EXISTS', KEYS[1]) == 0 then return {2, 0, 0, fence} end

local written, older = 0, 0
for i = 3, #KEYS do
  local key, incoming, expires = KEYS[i], ARGV[2 * i - 3], ARGV[2 * i - 2]
  local stored = call('GET', key)
  local row = incoming
  if stored then row = merge(stored, incoming) end
  if not row then
    renew(key, expires)
    older = older + 1
  else
    put(key, row, expires, stored)
    written = written + 1
  end
end
return {0, written, older, fence}
