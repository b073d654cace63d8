-- KEYS owner, turns, events
-- ARGV token, turn, entry, attempt, sealed parts, then per step: field, sealed
-- → 1, 0 when the message is gone, or -1 when lost

if redis.call('GET', KEYS[1]) ~= ARGV[1] then return -1 end
if redis.call('HEXISTS', KEYS[2], ARGV[2] .. ':a') == 0 then
  if not holds(KEYS[3], ARGV[3], ARGV[2]) then return 0 end
  redis.call('HSET', KEYS[2], ARGV[2] .. ':a', ARGV[4])
end
redis.call('HSET', KEYS[2], ARGV[2] .. ':p', ARGV[5], unpack(ARGV, 6))
return 1
