-- KEYS: the value, its lease. ARGV: what is put there where there is nothing, how long it lives at
-- least in ms, or nothing where it lives for ever.
local there = redis.call('GET', KEYS[1])
if not there then
  if ARGV[2] == '' then
    redis.call('SET', KEYS[1], ARGV[1])
  else
    redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  end
  return ARGV[1]
end
local left = redis.call('PTTL', KEYS[1])
if left >= 0 then
  if ARGV[2] == '' then
    redis.call('SET', KEYS[1], there)
  elseif left < tonumber(ARGV[2]) then
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
  end
end
return there
