-- KEYS: the value, its lease. ARGV: the value, how many of its first bytes stay as they are where
-- there is one of its length, its life in ms or nothing.
local value = ARGV[1]
local there = redis.call('GET', KEYS[1])
if there and #there == #value then
  local kept = tonumber(ARGV[2])
  value = string.sub(there, 1, kept) .. string.sub(value, kept + 1)
end
if ARGV[3] == '' then
  redis.call('SET', KEYS[1], value)
else
  redis.call('SET', KEYS[1], value, 'PX', ARGV[3])
end
return value
