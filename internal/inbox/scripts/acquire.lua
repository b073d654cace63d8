-- KEYS owner:lease, owner; ARGV nonce, lease → token, or nil when taken

local held = redis.call('GET', KEYS[1])
if held then
  if string.sub(held, -#ARGV[1]) == ARGV[1] then return held end
  return false
end
local n = tonumber(string.match(redis.call('GET', KEYS[2]) or '0', '^%d+')) + 1
local token = string.format('%d.%s', n, ARGV[1])
redis.call('SET', KEYS[2], token)
redis.call('SET', KEYS[1], token, 'PX', ARGV[2])
return token
