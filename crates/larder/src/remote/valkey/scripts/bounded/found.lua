-- KEYS: the settings. ARGV: the loss after which all values were looked for. What was lost since.
local lost = redis.call('HGET', KEYS[1], 'lost')
if lost == ARGV[1] then
  redis.call('HDEL', KEYS[1], 'lost')
  return ''
end
return lost or ''
