-- Takes features out of packed rows and merges others into what is left, as packed.Drop does, byte for byte.
-- KEYS: the group's state, then a key per row.
-- ARGV: the caller's fence; then for each key the row to merge ('' if there is none), its expiry in ms ("0": never) and the ingest ids
-- whose features go, 8 bytes each as they stand in a stamp.
-- Answers {0, rows written, rows older, fence}, {1, 0, 0, fence} if the fence is newer.
local fence = call('HGET', KEYS[1], 'fence') or '0'
if tonumber(ARGV[1]) < tonumber(fence) then return {1, 0, 0, fence} end

-- holds tells whether an id is among ids, as the 8 bytes that it is: equality of strings knows no locale.
local function holds(ids, id)
  for at = 1, #ids, 8 do
    if sub(ids, at, at + 7) == id then return true end
  end
  return false
end

-- keep gives what is left of a row, '' if nothing is, and whether anything was taken out.
local function keep(row, ids)
  if #row < 22 or byte(row, 1) ~= 1 then return '', true end
  if byte(row, 2) % 2 == 0 and holds(ids, sub(row, 11, 18)) then return '', true end -- all features came with it
  local m, l = unpack('>I2I2', row, 19)
  if m == 0 or 22 + l + (byte(row, 2) % 2 == 1 and 19 or 3) * m > #row or not open(old, row, m, l) then return '', true end
  local gone = {}
  for at = 1, #ids, 8 do gone[sub(ids, at, at + 7)] = true end
  local runs, n, newest = 0, 0, nil
  for i = 1, m do
    local s = stamp(old, i)
    if not gone[sub(row, s + 8, s + 15)] then
      if not newest or compare(row, s, row, newest) > 0 then newest = s end
      n = n + 1
      if runs > 0 and final[runs] == i - 1 then
        final[runs] = i
      else
        runs = runs + 1
        from[runs], first[runs], final[runs] = old, i, i
      end
    end
  end
  if n == m then return row, false end
  if n == 0 then return '', true end
  return assemble(runs, n, sub(row, newest, newest + 15), sub(row, 21, 22 + l)), true
end

local written, older = 0, 0
for i = 2, #KEYS do
  local key, incoming, expires, ids = KEYS[i], ARGV[3 * i - 4], ARGV[3 * i - 3], ARGV[3 * i - 2]
  local stored = call('GET', key)
  local kept, found = '', false
  if stored then kept, found = keep(stored, ids) end
  local row = incoming ~= '' and (kept == '' and incoming or merge(kept, incoming)) or nil
  if not row and found then row = kept end
  if not row then
    if stored and incoming ~= '' then renew(key, expires) end
    older = older + 1
  else
    if row == '' then
      call('UNLINK', key)
    elseif incoming == '' then
      call('SET', key, row, 'KEEPTTL')
    else
      put(key, row, expires, stored)
    end
    written = written + 1
  end
end
return {0, written, older, fence}
