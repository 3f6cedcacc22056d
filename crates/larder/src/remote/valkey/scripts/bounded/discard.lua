-- KEYS: what may go, the settings. ARGV: for each, how it began when it was looked at.
local gone, dropped = {}, false
recall()
for at = 1, #KEYS - 1 do
  gone[at] = 0
  if redis.pcall('GETRANGE', KEYS[at], 0, #ARGV[at] - 1) == ARGV[at] then
    gone[at] = redis.call('UNLINK', KEYS[at])
    if policy then
      dropped = drop(KEYS[at]) or dropped
    end
  end
end
if dropped then
  settle()
end
return gone
