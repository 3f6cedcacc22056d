-- KEYS: the value, its lease. ARGV: the lease, the note that takes its place or nothing, the note's
-- life in ms.
if redis.pcall('GET', KEYS[2]) ~= ARGV[1] then
  return 0
end
-- First, since a full server refuses a script whose first write takes room.
redis.call('DEL', KEYS[2])
if ARGV[2] ~= '' then
  redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
end
return 1
