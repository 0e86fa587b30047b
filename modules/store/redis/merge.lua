-- Merges packed rows (package packed) into the stored ones: of each feature the newer value stays.
-- KEYS: the group's marker, its state, then a key per row.
-- ARGV: the writer's fence; "1" if the marker may be absent; then for each key the row and its expiry in ms ("0": never).
-- Answers {0, rows written, rows older, fence}, {1, 0, 0, fence} if the fence is newer, {2, 0, 0, fence} if the marker is absent.
local unpack, sub, byte = struct.unpack, string.sub, string.byte

local fence = redis.call('HGET', KEYS[2], 'fence') or '0'
if tonumber(ARGV[1]) < tonumber(fence) then
  return {1, 0, 0, fence}
end
if ARGV[2] ~= '1' and redis.call('EXISTS', KEYS[1]) == 0 then
  return {2, 0, 0, fence}
end

-- newer compares two stamps of 16 bytes as four numbers of 4 bytes: comparing strings would follow the server's locale, and a
-- number of 8 bytes would lose its last bits.
local function newer(a, i, b, j)
  local a1, a2, a3, a4 = unpack('>I4I4I4I4', a, i)
  local b1, b2, b3, b4 = unpack('>I4I4I4I4', b, j)
  if a1 ~= b1 then return a1 > b1 end
  if a2 ~= b2 then return a2 > b2 end
  if a3 ~= b3 then return a3 > b3 end
  return a4 > b4
end

-- covers tells whether the ascending ordinals of 2 bytes in a include those in b.
local function covers(a, b)
  if a == b then return true end
  local i = 1
  for j = 1, #b, 2 do
    local wanted = unpack('>I2', b, j)
    while i < #a and unpack('>I2', a, i) < wanted do i = i + 2 end
    if i >= #a or unpack('>I2', a, i) ~= wanted then return false end
  end
  return true
end

local fixed = {[0] = 0, 0, 0, 1, 2, 4, 8, 4, 8, 8} -- bytes of a value by its tag; the others have a length in front

-- parts cuts a row into its features; nil if it is damaged.
local function parts(row)
  local n, k = unpack('>I2I2', row, 19)
  local ordinals, tags = 23 + k, 23 + k + 2 * n
  local at = tags + n
  local stamps
  if byte(row, 2) % 2 == 1 then
    stamps = at
    at = at + 16 * n
  end
  if at - 1 > #row then return nil end
  local all = {}
  for i = 1, n do
    local tag = byte(row, tags + i - 1)
    local size = fixed[tag]
    if not size then
      if tag == 10 then
        if at > #row then return nil end
        size = 1 + byte(row, at)
      elseif tag <= 17 then
        if at + 3 > #row then return nil end
        size = 4 + unpack('>I4', row, at)
      else
        return nil
      end
    end
    if at + size - 1 > #row then return nil end
    all[i] = {
      ordinal = unpack('>I2', row, ordinals + 2 * i - 2),
      tag = tag,
      stamp = stamps and sub(row, stamps + 16 * i - 16, stamps + 16 * i - 1) or sub(row, 3, 18),
      value = sub(row, at, at + size - 1),
    }
    at = at + size
  end
  if at ~= #row + 1 then return nil end
  return all
end

-- mergeFeatures gives the row that holds the newer value of each feature; nil if nothing of the incoming row is newer, or the stored
-- one is damaged: then it stays, and readers that find it ask the offline store.
local function mergeFeatures(stored, incoming)
  local old, new = parts(stored), parts(incoming)
  if not old or not new then return nil end
  local merged, written = {}, false
  local i, j = 1, 1
  while i <= #old or j <= #new do
    local a, b = old[i], new[j]
    if not b or (a and a.ordinal < b.ordinal) then
      merged[#merged + 1] = a
      i = i + 1
    elseif not a or b.ordinal < a.ordinal then
      merged[#merged + 1] = b
      written = true
      j = j + 1
    else
      if newer(b.stamp, 1, a.stamp, 1) then
        merged[#merged + 1] = b
        written = true
      else
        merged[#merged + 1] = a
      end
      i = i + 1
      j = j + 1
    end
  end
  if not written then return nil end
  local newest, differ = merged[1].stamp, false
  local ordinals, tags, stamps, values = {}, {}, {}, {}
  for m, p in ipairs(merged) do
    if p.stamp ~= newest then
      differ = true
      if newer(p.stamp, 1, newest, 1) then newest = p.stamp end
    end
    ordinals[m] = struct.pack('>I2', p.ordinal)
    tags[m] = string.char(p.tag)
    stamps[m] = p.stamp
    values[m] = p.value
  end
  local k = unpack('>I2', stored, 21)
  return string.char(1, differ and 1 or 0) .. newest .. struct.pack('>I2I2', #merged, k) .. sub(stored, 23, 22 + k) ..
    table.concat(ordinals) .. table.concat(tags) .. (differ and table.concat(stamps) or '') .. table.concat(values)
end

local function merge(stored, incoming)
  if #stored < 22 or byte(stored, 1) ~= 1 then return nil end
  if byte(incoming, 2) % 2 == 0 and newer(incoming, 3, stored, 3) then
    local n, k = unpack('>I2I2', incoming, 19)
    local m, l = unpack('>I2I2', stored, 19)
    if 22 + l + 3 * m <= #stored and covers(sub(incoming, 23 + k, 22 + k + 2 * n), sub(stored, 23 + l, 22 + l + 2 * m)) then
      return incoming
    end
  end
  return mergeFeatures(stored, incoming)
end

-- expiryOf is what the key's expiry becomes, as text; nil: none.
local function expiryOf(key, expires)
  if expires == '0' then return nil end
  local had = redis.call('PEXPIRETIME', key) -- -1: it has none
  if had == -1 then return nil end
  if had > tonumber(expires) then return string.format('%.0f', had) end
  return expires
end

local written, older = 0, 0
for i = 3, #KEYS do
  local key, incoming, expires = KEYS[i], ARGV[2 * i - 3], ARGV[2 * i - 2]
  local stored = redis.call('GET', key)
  local row, expiry
  if stored then
    row = merge(stored, incoming)
    expiry = expiryOf(key, expires)
  else
    row = incoming
    if expires ~= '0' then expiry = expires end
  end
  if row then
    written = written + 1
    if expiry then
      redis.call('SET', key, row, 'PXAT', expiry)
    else
      redis.call('SET', key, row)
    end
  else
    older = older + 1
    if expires == '0' then
      redis.call('PERSIST', key)
    elseif expiry == expires then
      redis.call('PEXPIREAT', key, expiry)
    end
  end
end
return {0, written, older, fence}
