pcall(touch, KEYS[1])
return answer
