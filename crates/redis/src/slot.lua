-- One step on a slot: a hash, whose times are milliseconds of the server's clock.
--   r record, m whose it is, f its fence, e its end · o who has the lease, l the last fence, t its end
--   n note of the last failure, c the end of its cooldown · b when the budget for rejections is full, u when it was last used
local key, step, id = KEYS[1], ARGV[1], ARGV[2]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local kind = redis.call('TYPE', key).ok
if kind ~= 'hash' and kind ~= 'none' then return {'foreign'} end

local NOTE_KEPT_FOR, SPACING, REFILL, BURST = 600000, 10000, 300000, 2
local slot = {}
local names = {'r', 'm', 'f', 'e', 'o', 'l', 't', 'n', 'c', 'b', 'u'}
local values = redis.call('HMGET', key, unpack(names))
for i, name in ipairs(names) do slot[name] = values[i] or nil end
-- What another program has left in a field is no number, or not one of ours.
local function number(value)
  local number = tonumber(value or 0) or 0
  if number >= 0 and number < 2^53 then return number end
  return 0
end
for _, name in ipairs({'f', 'e', 'l', 't', 'c', 'b', 'u'}) do slot[name] = number(slot[name]) end

local has_record = slot.r and slot.m and #slot.m == 8 and slot.e > now
local is_leased = slot.o and slot.t > now
local in_cooldown = slot.n and slot.c > now
local holds = is_leased and slot.o == id

-- Stores what has changed, and lets the slot go when nothing in it matters any more.
local function set(...)
  redis.call('HSET', key, ...)
  local changed = {...}
  for i = 1, #changed, 2 do slot[changed[i]] = changed[i + 1] end
  local last = math.max(slot.e, slot.t, slot.b)
  if slot.n then last = math.max(last, slot.c + NOTE_KEPT_FOR) end
  redis.call('PEXPIRE', key, math.max(last - now, 1))
end

local function release()
  if holds then redis.call('HDEL', key, 'o', 't') slot.t = 0 end
end

local function lead(fence)
  if slot.n and slot.c + NOTE_KEPT_FOR > now then return {'lead', fence, slot.n} end
  return {'lead', fence}
end

if step == 'begin' then
  local unlike, intent, lease = ARGV[3], ARGV[4], tonumber(ARGV[5])
  if has_record and slot.m ~= unlike then return {'record', slot.m, slot.r, slot.e - now} end
  if in_cooldown and intent ~= 'force' then return {'cooldown', slot.n, slot.c - now} end
  if holds then return lead(slot.l) end
  if is_leased then return {'wait', slot.t - now} end
  if intent == 'reject' then
    local full = math.max(slot.b, now) + REFILL
    if now - slot.u < SPACING or full > now + REFILL * BURST then return {'keep'} end
    set('b', full, 'u', now)
  end
  -- A server whose clock is behind, after a failover, still gives larger fences.
  local fence = math.max(now, slot.f + 1, slot.l + 1)
  set('o', id, 'l', fence, 't', now + lease)
  return lead(fence)
elseif step == 'renew' then
  if not holds then return {'lost'} end
  set('t', now + tonumber(ARGV[3]))
elseif step == 'complete' then
  local fence, record, lifetime, elapsed = tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])
  if has_record and slot.f > fence then return {'newer'} end
  release()
  -- The fence is when the lease was given: a step that comes late, from the buffer of a server that stood still, adds no time.
  local left = lifetime - math.max(elapsed, now - fence)
  if left <= 0 then return {'lost'} end
  redis.call('HDEL', key, 'n', 'c')
  slot.n, slot.c = nil, 0
  set('r', record, 'm', id, 'f', fence, 'e', now + left)
elseif step == 'fail' then
  release()
  if ARGV[3] then set('n', ARGV[3], 'c', math.max(now + tonumber(ARGV[4]), slot.c)) end
elseif step == 'forget' then
  if id == '' or slot.m == id then redis.call('HDEL', key, 'r', 'm', 'e') end
end
return {'done'}
