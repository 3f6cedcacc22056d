-- KEYS: the value, its lease. ARGV: the lease, its life in ms.
if redis.pcall('GET', KEYS[2]) == ARGV[1] then
  return redis.call('PEXPIRE', KEYS[2], ARGV[2])
end
return 0
