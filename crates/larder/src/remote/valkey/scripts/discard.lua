-- KEYS: what may go. ARGV: for each, how it began when it was looked at.
local gone = {}
for at, key in ipairs(KEYS) do
  gone[at] = 0
  if redis.pcall('GETRANGE', key, 0, #ARGV[at] - 1) == ARGV[at] then
    gone[at] = redis.call('UNLINK', key)
  end
end
return gone
