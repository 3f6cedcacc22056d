-- The index of a partition of a bounded cache: which values there are, and which goes first. It shares a
-- slot with them.
--
-- KEYS: first what the script is about, last the settings.
--   settings          hash: what all who use it have agreed on; `busy` while there are entries; `until`: when
--                     the index expires, which is after the last value; `lost`: when it last was found to be
--                     incomplete, until all values were looked for
--   settings:order    sorted set: who goes first. For LFU by count, and then by the last use, which each
--                     member begins with; else by a count of uses
--   settings:expiry   sorted set: values by the time at which they expire
--   settings:sizes    hash, where the capacity is in bytes: values' sizes, and under '' their sum
--   settings:uses     hash, for LFU: each value's last use and count, and under '' the last use of all
-- ARGV: policy, unit, capacity, partitions, capacity of all partitions; what follows is the script's own.
local settings = KEYS[#KEYS]
local order, expiry = settings .. ':order', settings .. ':expiry'
local sizes, uses = settings .. ':sizes', settings .. ':uses'
local policy, unit, capacity = ARGV[1], ARGV[2], tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local DAY = 86400000
local USE = 14 -- digits of a use
local STORED, AGAIN, TOO_LARGE = 1, 2, 3
local steps = 128 -- entries that one script may take out
local load = 0 -- entries, or bytes
local before = 0 -- the same when a value that is to be stored came
local busy, lives_until = false, 0
local lost = '' -- since when there may be values that the index does not know

local function text(number)
  return string.format('%.0f', number)
end

-- How many there are. What is no such thing is somebody else's, and goes.
local function count_of(command, key)
  local count = redis.pcall(command, key)
  if type(count) == 'table' then
    redis.call('UNLINK', key)
    return -1
  end
  return count
end

local function lose()
  lost = time[1] .. '.' .. time[2]
  redis.call('HSET', settings, 'lost', lost)
end

-- An error where others have agreed on something else.
local function begin()
  local there = redis.pcall('HMGET', settings, 'policy', 'unit', 'partitions', 'capacity', 'busy', 'until',
    'lost')
  if there.err then
    redis.call('UNLINK', settings) -- No settings, but something that others put there.
  end
  if not there[1] then
    redis.call('HSET', settings, 'policy', policy, 'unit', unit, 'capacity', ARGV[3], 'partitions', ARGV[4],
      'total', ARGV[5])
    redis.call('PEXPIRE', settings, DAY)
    lose()
  elseif there[1] ~= policy or there[2] ~= unit or there[3] ~= ARGV[4] then
    return redis.error_reply('BOUNDED it is otherwise on the server')
  else
    capacity = tonumber(there[4])
    busy, lives_until, lost = there[5], tonumber(there[6] or 0), there[7] or ''
  end
  local count = count_of('ZCARD', order)
  local fields = count > 0 and count + 1 or 0
  local is_whole = count >= 0
    and count_of('ZCARD', expiry) == count
    and not (busy and count == 0)
    and (unit ~= 'bytes' or count_of('HLEN', sizes) == fields)
    and (policy ~= 'lfu' or count_of('HLEN', uses) == fields)
  if not is_whole then
    redis.call('UNLINK', order, expiry, sizes, uses)
    count, busy = 0, false
    lose()
  end
  load = count
  if unit == 'bytes' then
    load = tonumber(redis.call('HGET', sizes, '') or 0)
  end
end

-- The same for a script that stores nothing: it goes by what was agreed on.
local function recall()
  local there = redis.pcall('HMGET', settings, 'policy', 'unit')
  policy, unit = there[1], there[2]
  return policy
end

-- Where an entry stands, or false.
local function find(key)
  if policy == 'lfu' then
    return redis.call('HGET', uses, key)
  end
  return redis.call('ZSCORE', order, key)
end

-- Where an entry stands after a use; `place` is where it stood, if it is no insertion.
local function used(place)
  if policy == 'lfu' then
    local count = place and tonumber(string.sub(place, USE + 1)) or 0
    return string.format('%014x', redis.call('HINCRBY', uses, '', 1)) .. text(count + 1)
  end
  if place and (policy == 'fifo' or policy == 'lifo') then
    return place
  end
  local last = redis.call('ZRANGE', order, -1, -1, 'WITHSCORES')[2]
  return text((last or 0) + 1)
end

local function stand(key, place)
  if policy == 'lfu' then
    redis.call('ZADD', order, string.sub(place, USE + 1), string.sub(place, 1, USE) .. key)
    redis.call('HSET', uses, key, place)
  else
    redis.call('ZADD', order, place, key)
  end
end

-- Lets an entry that is there have been used.
local function use(key, place)
  if policy == 'lfu' then
    -- The new one first: a set whose last member goes loses its expiry.
    stand(key, used(place))
    redis.call('ZREM', order, string.sub(place, 1, USE) .. key)
  elseif policy == 'lru' or policy == 'mru' then
    stand(key, used(place))
  end
end

-- Takes an entry out of the index; whether it was there, in all that tells of a loss.
local function drop(key)
  local member = key
  if policy == 'lfu' then
    local place = redis.call('HGET', uses, key)
    if place then
      member = string.sub(place, 1, USE) .. key
      redis.call('HDEL', uses, key)
    end
  end
  local was_there = redis.call('ZREM', order, member) == 1
  local would_expire = redis.call('ZREM', expiry, key) == 1
  if unit == 'bytes' then
    local size = redis.call('HGET', sizes, key)
    if size then
      redis.call('HDEL', sizes, key)
      load = redis.call('HINCRBY', sizes, '', '-' .. size)
    end
  elseif was_there then
    load = load - 1
  end
  return was_there and would_expire
end

-- Leaves nothing behind where no entry is left. Only after one was taken out: what is missing otherwise was
-- lost, and is for the next write to notice.
local function settle()
  if redis.call('EXISTS', order, expiry) == 0 then
    redis.call('UNLINK', sizes, uses)
    redis.call('HDEL', settings, 'busy')
  end
end

-- Takes out up to so many that have expired; how many there were.
local function purge(most)
  local dead = redis.call('ZRANGEBYSCORE', expiry, '-inf', '(' .. text(now), 'LIMIT', 0, most)
  for _, key in ipairs(dead) do
    redis.call('UNLINK', key)
    drop(key)
  end
  return #dead
end

local function key_of(member)
  if policy == 'lfu' then
    return string.sub(member, USE + 1)
  end
  return member
end

-- Evicts the entry whose turn it is; false where there is none.
local function evict()
  local at = (policy == 'lifo' or policy == 'mru') and -1 or 0
  local member = redis.call('ZRANGE', order, at, at)[1]
  if not member then
    return false
  end
  local key = key_of(member)
  local was_there = redis.call('UNLINK', key) == 1
  if not drop(key) then
    redis.call('ZREM', order, member)
  end
  if was_there then
    -- What the server itself evicted is no entry any more. One is looked at each time.
    local one = redis.call('ZRANDMEMBER', order)
    if one and redis.call('EXISTS', key_of(one)) == 0 then
      drop(key_of(one))
    end
  end
  return true
end

-- Makes room for an entry of this size. Within the steps that are left, or where it was fuller before, as
-- after the capacity was lowered, it is enough if it does not become fuller.
local function make_room(size)
  while load + size > capacity do
    if steps == 0 then
      return load + size <= before
    end
    steps = steps - 1
    if purge(1) == 0 and not evict() then
      redis.call('UNLINK', expiry, sizes, uses)
      load = 0
    end
  end
  return true
end

local function size_of(key, length)
  return unit == 'bytes' and #key + length or 1
end

-- Notes an entry for which there is room.
local function note(key, place, size, expires)
  if load <= 0 then
    busy = false -- The last one went, and with it what follows.
  end
  stand(key, place)
  redis.call('ZADD', expiry, text(expires), key)
  if unit == 'bytes' then
    redis.call('HSET', sizes, key, text(size))
    load = redis.call('HINCRBY', sizes, '', text(size))
  else
    load = load + 1
  end
end

-- Lets the index live longer than its values, and for a day at least: twice as long from now, so that it is
-- seldom done.
local function outlive(expires)
  if busy and math.max(expires, now + DAY) <= lives_until then
    return
  end
  local life = math.max(2 * expires - now, now + 2 * DAY, lives_until)
  redis.call('HSET', settings, 'busy', '1', 'until', text(life))
  for _, key in ipairs({settings, order, expiry, sizes, uses}) do
    redis.call('PEXPIREAT', key, text(life))
  end
end

-- Puts a value there, and makes room for it before. `sent`: how full it was when this was begun, in an earlier
-- step.
local function store(key, value, ttl, sent)
  local size, expires = size_of(key, #value), now + ttl
  before = math.max(load, tonumber(sent))
  if size > capacity then
    return TOO_LARGE
  end
  purge(16)
  local place = find(key)
  if place and redis.call('EXISTS', key) == 0 then
    drop(key)
    place = false
  end
  if place and unit == 'entries' then
    redis.call('SET', key, value, 'PXAT', text(expires))
    use(key, place)
    redis.call('ZADD', expiry, text(expires), key)
  else
    local old_size = place and redis.call('HGET', sizes, key)
    local old_expires = place and redis.call('ZSCORE', expiry, key)
    if place then
      drop(key)
    end
    if not make_room(size) then
      if place then
        note(key, place, old_size, old_expires)
        outlive(tonumber(old_expires))
      end
      return AGAIN
    end
    redis.call('SET', key, value, 'PXAT', text(expires))
    note(key, used(place), size, expires)
  end
  outlive(expires)
  return STORED
end

-- Notes a value that is there and not in the index; whether there was room.
local function adopt(key)
  local size, left = size_of(key, redis.call('STRLEN', key)), redis.call('PTTL', key)
  if size > capacity then
    redis.call('UNLINK', key)
    return true
  end
  before = load
  if not make_room(size) then
    return false
  end
  -- One that others let live for ever need not be looked for as expired.
  local expires = left < 0 and now + DAY or now + left
  note(key, used(false), size, expires)
  outlive(expires)
  return true
end

-- A value was read.
local function touch(key)
  local place = find(key)
  if place then
    use(key, place)
  elseif not begin() then
    adopt(key)
  end
end
