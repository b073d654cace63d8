-- KEYS owner, turns; ARGV token, then per step of a closed turn: turn, field

if redis.call('GET', KEYS[1]) ~= ARGV[1] then return -1 end
for k = 2, #ARGV, 2 do
  if redis.call('HEXISTS', KEYS[2], ARGV[k] .. ':a') == 0 then
    redis.call('HDEL', KEYS[2], ARGV[k + 1])
  end
end
return 1
