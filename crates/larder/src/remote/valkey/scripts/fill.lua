-- KEYS: the value, its lease. ARGV: the lease, the value, its life in ms.
local length = redis.pcall('STRLEN', KEYS[1])
if type(length) == 'table' then
  return length -- No value but something that others put there.
end
if redis.pcall('GET', KEYS[2]) == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
  redis.call('DEL', KEYS[2])
  return 1
end
-- Sent twice: the first time may have done it.
if length == #ARGV[2] and redis.call('GET', KEYS[1]) == ARGV[2] then
  return 1
end
return 0
