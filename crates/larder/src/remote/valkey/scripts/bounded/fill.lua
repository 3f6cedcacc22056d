-- KEYS: the value, its lease, the settings. ARGV from 6: the value, its life in ms, the lease.
local length = redis.pcall('STRLEN', KEYS[1])
if type(length) == 'table' then
  return length -- No value but something that others put there.
end
if redis.pcall('GET', KEYS[2]) == ARGV[8] then
  local refused = begin()
  if refused then
    return refused
  end
  local status = store(KEYS[1], ARGV[6], tonumber(ARGV[7]))
  if status == STORED then
    redis.call('DEL', KEYS[2])
  end
  return {status, lost, text(capacity)}
end
-- Sent twice: the first time may have done it.
if length == #ARGV[6] and redis.call('GET', KEYS[1]) == ARGV[6] then
  return {STORED, '', '0'}
end
return {0, '', '0'}
