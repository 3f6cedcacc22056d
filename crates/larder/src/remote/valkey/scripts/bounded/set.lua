-- KEYS: the value, its lease, the settings. ARGV from 6: the value, its life in ms.
local refused = begin()
if refused then
  return refused
end
local status = store(KEYS[1], ARGV[6], tonumber(ARGV[7]))
if status == TOO_LARGE then
  -- What was there before would be read as the value that was set.
  redis.call('UNLINK', KEYS[1])
  drop(KEYS[1])
  settle()
end
if status ~= AGAIN then
  redis.call('DEL', KEYS[2])
end
return {status, lost, text(capacity)}
