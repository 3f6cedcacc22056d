-- KEYS: the values, the settings.
local values = {}
for at = 1, #KEYS - 1 do
  local value = redis.pcall('GET', KEYS[at])
  if type(value) == 'string' then
    values[at] = value
    pcall(touch, KEYS[at])
  else
    values[at] = false
  end
end
return values
