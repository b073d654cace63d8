-- KEYS 4 × seen, withdrawn
-- ARGV message key, now, ttl, most, channel, message, early message or ""
-- → 1, 0 when the message was not stored
--
-- What was not stored costs no write: most of what people delete was never for
-- a bot.

local seen = false
for i = 1, 4 do
  if redis.call('SISMEMBER', KEYS[i], ARGV[1]) == 1 then seen = true end
end
if not seen then
  if ARGV[7] ~= '' then redis.call('PUBLISH', ARGV[5], ARGV[7]) end
  return 0
end
redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', tonumber(ARGV[2]) - tonumber(ARGV[3]))
redis.call('ZADD', KEYS[5], ARGV[2], ARGV[1])
redis.call('ZREMRANGEBYRANK', KEYS[5], 0, -1 - tonumber(ARGV[4]))
redis.call('PEXPIRE', KEYS[5], ARGV[3])
redis.call('PUBLISH', ARGV[5], ARGV[6])
return 1
