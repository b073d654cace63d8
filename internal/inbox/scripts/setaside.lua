-- KEYS owner, events, turns, dead; ARGV token, entry, turn, report

if redis.call('GET', KEYS[1]) ~= ARGV[1] then return -1 end
if not holds(KEYS[2], ARGV[2], ARGV[3]) then return 0 end
redis.call('LPUSH', KEYS[4], ARGV[4])
redis.call('LTRIM', KEYS[4], 0, 999)
redis.call('XDEL', KEYS[2], ARGV[2])
redis.call('HDEL', KEYS[3], ARGV[3] .. ':a', ARGV[3] .. ':p', ARGV[3] .. ':r')
return 1
