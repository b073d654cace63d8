-- KEYS 4 × seen, withdrawn
-- ARGV message key, seen ttl, now, ttl, most, channel, message
-- → 1, 0 when the message was not stored, and will not be

local seen = false
for i = 1, 4 do
  if redis.call('SISMEMBER', KEYS[i], ARGV[1]) == 1 then seen = true end
end
if not seen then
  redis.call('SADD', KEYS[1], ARGV[1])
  if redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
  return 0
end
redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', tonumber(ARGV[3]) - tonumber(ARGV[4]))
redis.call('ZADD', KEYS[5], ARGV[3], ARGV[1])
redis.call('ZREMRANGEBYRANK', KEYS[5], 0, -1 - tonumber(ARGV[5]))
redis.call('PEXPIRE', KEYS[5], ARGV[4])
redis.call('PUBLISH', ARGV[6], ARGV[7])
return 1
