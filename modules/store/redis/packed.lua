-- Reading, choosing and merging of packed rows (package packed), for the scripts that this text stands before.
local call, unpack, sub, byte, rep, find = redis.call, struct.unpack, string.sub, string.byte, string.rep, string.find

-- compare is above, below or equal to 0 as the stamp at a[i] is to the one at b[j]. They are compared as four numbers of 4 bytes:
-- strings would follow the server's locale, and a number of 8 bytes would lose its last bits.
local function compare(a, i, b, j)
  local a1, a2, a3, a4 = unpack('>I4I4I4I4', a, i)
  local b1, b2, b3, b4 = unpack('>I4I4I4I4', b, j)
  if a1 ~= b1 then return a1 - b1 end
  if a2 ~= b2 then return a2 - b2 end
  if a3 ~= b3 then return a3 - b3 end
  return a4 - b4
end

-- includes tells whether the ascending ordinals of 2 bytes in a hold all of those in b.
local function includes(a, b)
  if a == b then return true end
  local i = 1
  for j = 1, #b, 2 do
    local wanted = unpack('>I2', b, j)
    while i < #a and unpack('>I2', a, i) < wanted do i = i + 2 end
    if i > #a or unpack('>I2', a, i) ~= wanted then return false end
  end
  return true
end

local fixed = {[0] = 0, 0, 0, 1, 2, 4, 8, 4, 8, 8} -- bytes of a value by its tag; the others have a length in front
local short, last = 10, 17

-- size is how many bytes the value with this tag takes at this place; nil if that cannot be.
local function size(row, tag, at)
  if tag == short and at <= #row then return 1 + byte(row, at) end
  if tag > short and tag <= last and at + 3 <= #row then return 4 + unpack('>I4', row, at) end
  return nil
end

-- pass is the place behind the values of n features, whose tags begin at tag and whose values at that place; nil if the row is damaged.
local function pass(row, tag, n, at)
  for i = tag, tag + n - 1 do
    local t = byte(row, i)
    local bytes = fixed[t] or size(row, t, at)
    if not bytes then return nil end
    at = at + bytes
  end
  return at
end

-- splice puts the n features of the incoming row, all of them newer, in the place of as many of the stored row's m: those from p on have the
-- same ordinals. nil if the stored row is damaged.
local function splice(stored, m, l, incoming, n, k, p)
  local tags, mine = 23 + l + 2 * m, 23 + k + 2 * n
  local rest = tags + p - 1 + n -- the tags behind the replaced ones
  local stamps = byte(stored, 2) % 2 == 1 and tags + m
  local values = tags + m + (stamps and 16 * m or 0)
  local replaced = pass(stored, tags, p - 1, values)
  local kept = replaced and pass(stored, tags + p - 1, n, replaced)
  local stop = kept and pass(stored, rest, m - p + 1 - n, kept)
  if stop ~= #stored + 1 then return nil end
  local newest, before, after = sub(incoming, 3, 18), nil, nil
  if stamps then
    before, after = sub(stored, stamps, stamps + 16 * p - 17), sub(stored, stamps + 16 * (p - 1 + n), stamps + 16 * m - 1)
  else
    before, after = rep(sub(stored, 3, 18), p - 1), rep(sub(stored, 3, 18), m - p + 1 - n)
  end
  return table.concat({'\1\1', newest, sub(stored, 19, tags + p - 2), sub(incoming, mine, mine + n - 1), sub(stored, rest, tags + m - 1),
    before, rep(newest, n), after, sub(stored, values, replaced - 1), sub(incoming, mine + n), sub(stored, kept)})
end

-- What is known of the two rows, and the result, are kept in the same tables for all rows: growing new ones costs more than the merging.
local old, new = {ordinal = {}, values = {}}, {ordinal = {}, values = {}}
local from, first, final, out = {}, {}, {}, {}

-- open finds out where the features of a row stand; false if it is damaged.
local function open(r, row, n, k)
  local tags = 23 + k + 2 * n
  local at = tags + n
  r.row, r.n, r.ordinals, r.tags, r.stamps = row, n, 23 + k, tags, nil
  if byte(row, 2) % 2 == 1 then
    r.stamps = at
    at = at + 16 * n
  end
  local ordinal, values = r.ordinal, r.values
  for i = 1, n do
    local tag = byte(row, tags + i - 1)
    local bytes = fixed[tag] or size(row, tag, at)
    if not bytes then return false end
    ordinal[i], values[i] = unpack('>I2', row, 21 + k + 2 * i), at
    at = at + bytes
  end
  values[n + 1] = at
  return at == #row + 1
end

-- stamp is where the stamp of a row's feature stands: without stamps of their own all have the row's.
local function stamp(r, i) return r.stamps and r.stamps + 16 * i - 16 or 3 end

-- choose goes over the features of both rows. Neighbours that come from the same row make a run: from[r] is the row, first[r] and final[r] which of
-- its features. It gives the number of runs, of features, and whether any is of the incoming row. all: every incoming one is newer.
local function choose(all)
  local runs, n, written = 0, 0, false
  local i, j, a, b = 1, 1, old.ordinal[1], new.ordinal[1]
  local source, at, before
  while a or b do
    if not b or (a and a < b) then
      source, at = old, i
    elseif not a or b < a then
      source, at = new, j
    else
      source, at = old, i
      if all or compare(new.row, stamp(new, j), old.row, stamp(old, i)) > 0 then source, at = new, j end
      if source == old then j = j + 1 else i = i + 1 end
    end
    if source == old then
      i = i + 1
    else
      j = j + 1
      written = true
    end
    a, b = i <= old.n and old.ordinal[i], j <= new.n and new.ordinal[j]
    n = n + 1
    if before == source and final[runs] == at - 1 then
      final[runs] = at
    else
      runs = runs + 1
      from[runs], first[runs], final[runs] = source, at, at
      before = source
    end
  end
  return runs, n, written
end

-- differ tells whether any chosen feature has another stamp than that one.
local function differ(runs, newest)
  for r = 1, runs do
    local s = from[r]
    for i = first[r], s.stamps and final[r] or first[r] do
      if compare(s.row, stamp(s, i), newest, 1) ~= 0 then return true end
    end
  end
  return false
end

-- assemble makes the row of the chosen features, whose newest stamp is given and whose key with its length before it.
local function assemble(runs, count, newest, key)
  local stamped = differ(runs, newest)
  out[1], out[2], out[3], out[4] = stamped and '\1\1' or '\1\0', newest, struct.pack('>I2', count), key
  local p = 4
  for r = 1, runs do
    local s = from[r]
    p = p + 1
    out[p] = sub(s.row, s.ordinals + 2 * first[r] - 2, s.ordinals + 2 * final[r] - 1)
  end
  for r = 1, runs do
    local s = from[r]
    p = p + 1
    out[p] = sub(s.row, s.tags + first[r] - 1, s.tags + final[r] - 1)
  end
  for r = 1, stamped and runs or 0 do
    local s = from[r]
    p = p + 1
    if s.stamps then
      out[p] = sub(s.row, s.stamps + 16 * first[r] - 16, s.stamps + 16 * final[r] - 1)
    else
      out[p] = rep(sub(s.row, 3, 18), final[r] - first[r] + 1)
    end
  end
  for r = 1, runs do
    local s = from[r]
    p = p + 1
    out[p] = sub(s.row, s.values[first[r]], s.values[final[r] + 1] - 1)
  end
  return table.concat(out, '', 1, p)
end

-- mergeFeatures gives nil if nothing of the incoming row is newer, or one is damaged: then the stored row stays, and who reads a damaged one
-- asks the offline store.
local function mergeFeatures(stored, m, l, incoming, n, k, newer)
  if not open(old, stored, m, l) or not open(new, incoming, n, k) then return nil end
  local all = newer and not new.stamps
  local runs, count, written = choose(all)
  if not written then return nil end
  return assemble(runs, count, newer and sub(incoming, 3, 18) or sub(stored, 3, 18), sub(stored, 21, 22 + l))
end

-- merge gives the row that is to be stored; nil: the stored one stays.
local function merge(stored, incoming)
  if #stored < 22 or byte(stored, 1) ~= 1 then return nil end
  local newer = compare(incoming, 3, stored, 3) > 0
  local n, k = unpack('>I2I2', incoming, 19)
  local m, l = unpack('>I2I2', stored, 19)
  if 22 + l + (byte(stored, 2) % 2 == 1 and 19 or 3) * m > #stored then return nil end
  local mine, theirs = sub(incoming, 23 + k, 22 + k + 2 * n), sub(stored, 23 + l, 22 + l + 2 * m)
  if newer and byte(incoming, 2) % 2 == 0 then
    if includes(mine, theirs) then return incoming end
    local p = find(theirs, mine, 1, true)
    if p and p % 2 == 1 then return splice(stored, m, l, incoming, n, k, (p + 1) / 2) end
  elseif not newer and byte(stored, 2) % 2 == 0 and includes(theirs, mine) then
    return nil
  end
  return mergeFeatures(stored, m, l, incoming, n, k, newer)
end

-- renew makes the expiry of a key that stays the later one of its own and that one.
local function renew(key, expires)
  if expires == '0' then
    call('PERSIST', key)
    return
  end
  local own = call('PEXPIRETIME', key) -- -1: it has none
  if own ~= -1 and own < tonumber(expires) then call('PEXPIREAT', key, expires) end
end

-- replace sets a key that exists, under the later one of its own expiry and that one.
local function replace(key, row, expires)
  if expires == '0' then
    call('SET', key, row)
    return
  end
  local own = call('PEXPIRETIME', key)
  if own ~= -1 and own < tonumber(expires) then
    call('SET', key, row, 'PXAT', expires)
  else
    call('SET', key, row, 'KEEPTTL')
  end
end

-- put sets a key, which exists if stored is not false, to a row under an expiry.
local function put(key, row, expires, stored)
  if stored then
    replace(key, row, expires)
  elseif expires == '0' then
    call('SET', key, row)
  else
    call('SET', key, row, 'PXAT', expires)
  end
end
