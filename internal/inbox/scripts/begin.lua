-- KEYS owner, turns; ARGV token, turn, sealed running record
-- → attempt, or -1 when lost

if redis.call('GET', KEYS[1]) ~= ARGV[1] then return -1 end
redis.call('HSET', KEYS[2], ARGV[2] .. ':r', ARGV[3])
return redis.call('HINCRBY', KEYS[2], ARGV[2] .. ':a', 1)
