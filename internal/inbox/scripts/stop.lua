-- KEYS turns, stops; ARGV turn, channel, message → 1, 0 when not running

if redis.call('HEXISTS', KEYS[1], ARGV[1] .. ':a') == 0 then return 0 end
redis.call('SADD', KEYS[2], ARGV[1])
redis.call('PUBLISH', ARGV[2], ARGV[3])
return 1
