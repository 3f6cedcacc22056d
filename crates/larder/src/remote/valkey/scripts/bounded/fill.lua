-- KEYS: the value, its lease, the settings. ARGV from 6: how full it was when this was begun, the value, its
-- life in ms, the lease.
local length = redis.pcall('STRLEN', KEYS[1])
if type(length) == 'table' then
  return length -- No value but something that others put there.
end
if redis.pcall('GET', KEYS[2]) == ARGV[9] then
  local refused = begin()
  if refused then
    return refused
  end
  local status = store(KEYS[1], ARGV[7], tonumber(ARGV[8]), ARGV[6])
  if status == STORED then
    redis.call('DEL', KEYS[2])
  end
  return {status, lost, text(capacity), text(before)}
end
-- Sent twice: the first time may have done it.
if length == #ARGV[7] and redis.call('GET', KEYS[1]) == ARGV[7] then
  return {STORED, '', '0', '0'}
end
return {0, '', '0', '0'}
