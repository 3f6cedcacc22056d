-- KEYS: values that may not be in the index, the settings. How many there was no room for in one go.
local refused = begin()
if refused then
  return refused
end
local left = 0
for at = 1, #KEYS - 1 do
  local length = redis.pcall('STRLEN', KEYS[at])
  if type(length) == 'number' and length > 0 and not find(KEYS[at]) and not adopt(KEYS[at]) then
    left = left + 1
  end
end
return left
