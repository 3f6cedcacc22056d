-- KEYS: the value, the settings. ARGV: policy, unit, capacity, partitions, capacity of all partitions; the
-- length from which on a value is fetched elsewhere.
local value = redis.call('GET', KEYS[1])
if not value then
  return false
end
local answer = value
if #value >= tonumber(ARGV[6]) then
  answer = 2
end
-- A full server refuses what takes room. Then the use is not noted, and the value is read all the same.
if ARGV[1] ~= 'lfu' then
  local last = redis.pcall('ZRANGE', KEYS[2] .. ':order', -1, -1, 'WITHSCORES')
  if last[1] == KEYS[1] then
    return answer
  end
  if last[2] then
    local next = string.format('%.0f', last[2] + 1)
    if redis.pcall('ZADD', KEYS[2] .. ':order', 'XX', 'CH', next, KEYS[1]) ~= 0 then
      return answer
    end
  end
end
