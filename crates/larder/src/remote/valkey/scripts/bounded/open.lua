-- KEYS: the settings. ARGV: policy, unit, capacity, partitions, capacity of all partitions; whether it takes
-- the place of another capacity.
local settings = KEYS[1]
local there = redis.call('HMGET', settings, 'policy', 'unit', 'partitions', 'total', 'lost')
if not there[1] then
  local time = redis.call('TIME')
  there = {ARGV[1], ARGV[2], ARGV[4], ARGV[5], time[1] .. '.' .. time[2]}
  redis.call('HSET', settings, 'policy', ARGV[1], 'unit', ARGV[2], 'capacity', ARGV[3], 'partitions', ARGV[4],
    'total', ARGV[5], 'lost', there[5])
  redis.call('PEXPIRE', settings, 86400000)
end
local is_alike = there[1] == ARGV[1] and there[2] == ARGV[2] and there[3] == ARGV[4]
if is_alike and there[4] ~= ARGV[5] and ARGV[6] == '1' then
  redis.call('HSET', settings, 'capacity', ARGV[3], 'total', ARGV[5])
  there[4] = ARGV[5]
end
return {there[1], there[2], there[3], there[4], there[5] or ''}
