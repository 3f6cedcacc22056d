-- KEYS: the value, its lease, the settings.
-- First, since a full server refuses a script whose first write takes room.
local removed = redis.call('UNLINK', KEYS[1])
redis.call('DEL', KEYS[2])
if removed == 0 then
  -- The removal of what is not there is told to nobody, but others may hold a copy.
  redis.call('SET', KEYS[1], '')
  redis.call('DEL', KEYS[1])
end
-- It is removed, whatever others put where the index lies.
pcall(function()
  if recall() and drop(KEYS[1]) then
    settle()
  end
end)
return removed
