-- KEYS: the value, its lease, the settings. ARGV from 6: the lease that is wanted, its life in ms, how a value
-- begins that was read already, the length from which on a value is fetched elsewhere.
local length = redis.pcall('STRLEN', KEYS[1])
if type(length) == 'table' then
  return length -- No value but something that others put there.
end
local seen = ARGV[8]
if length > 0 and (seen == '' or redis.call('GETRANGE', KEYS[1], 0, #seen - 1) ~= seen) then
  pcall(touch, KEYS[1])
  if length >= tonumber(ARGV[9]) then
    return 2
  end
  local value = redis.call('GET', KEYS[1])
  if value then
    return value
  end
  -- It was too large to be noted, and went.
end
local held = redis.pcall('GET', KEYS[2])
if held then
  if type(held) ~= 'string' or #held ~= #ARGV[6] then
    held = string.rep('\0', #ARGV[6]) -- Nobody's.
  end
  if held ~= ARGV[6] then
    return {held, redis.call('PTTL', KEYS[2])}
  end
end
redis.call('SET', KEYS[2], ARGV[6], 'PX', ARGV[7])
return 1
