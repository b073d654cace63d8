-- KEYS owner:lease, owner; ARGV token, channel, scope

if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('PUBLISH', ARGV[2], 'free ' .. ARGV[3])
return 1
