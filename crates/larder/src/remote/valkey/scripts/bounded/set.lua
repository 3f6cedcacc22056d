-- KEYS: the value, its lease, the settings. ARGV from 6: how full it was when this was begun, the value, its
-- life in ms.
local refused = begin()
if refused then
  return refused
end
local status = store(KEYS[1], ARGV[7], tonumber(ARGV[8]), ARGV[6])
if status == TOO_LARGE then
  -- What was there before would be read as the value that was set.
  if redis.call('UNLINK', KEYS[1]) == 0 then
    -- That is told to nobody, but others may hold a copy.
    redis.call('SET', KEYS[1], '')
    redis.call('DEL', KEYS[1])
  end
  if drop(KEYS[1]) then
    settle()
  end
end
if status ~= AGAIN then
  redis.call('DEL', KEYS[2])
end
return {status, lost, text(capacity), text(before)}
