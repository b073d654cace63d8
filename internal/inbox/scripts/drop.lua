-- KEYS owner, events, turns, stops; ARGV token, entry, turn
-- → 1, 0 when the entry is gone, -1 when lost

if redis.call('GET', KEYS[1]) ~= ARGV[1] then return -1 end
if not holds(KEYS[2], ARGV[2], ARGV[3]) then return 0 end
redis.call('XDEL', KEYS[2], ARGV[2])
redis.call('HDEL', KEYS[3], ARGV[3] .. ':a', ARGV[3] .. ':p', ARGV[3] .. ':r')
redis.call('SREM', KEYS[4], ARGV[3])
return 1
