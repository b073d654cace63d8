-- KEYS events, events:last, 4 × seen, 4 × joined
-- ARGV message key, seen ttl, thread mode, thread, joined ttl, turn, ref,
--      sealed message, channel, scope, "1" when replicas are waited for, now
-- → id of the entry, 0 seen before, -1 a thread the bot takes no part in

for i = 3, 6 do
  if redis.call('SISMEMBER', KEYS[i], ARGV[1]) == 1 then
    -- A write, so that WAIT after it covers the entry stored before.
    if ARGV[11] == '1' then redis.call('PEXPIRE', KEYS[i], ARGV[2]) end
    return 0
  end
end
if ARGV[3] == 'only' then
  local joined = false
  for i = 7, 10 do
    if redis.call('SISMEMBER', KEYS[i], ARGV[4]) == 1 then joined = true end
  end
  if not joined then return -1 end
end
if ARGV[3] ~= '' and redis.call('SADD', KEYS[7], ARGV[4]) == 1 then
  redis.call('PEXPIRE', KEYS[7], ARGV[5])
end
redis.call('SADD', KEYS[3], ARGV[1])
if redis.call('PTTL', KEYS[3]) < 0 then redis.call('PEXPIRE', KEYS[3], ARGV[2]) end
-- The time, so that no id comes again after the store went back.
local n = math.max(tonumber(redis.call('GET', KEYS[2]) or '0') + 1, tonumber(ARGV[12]))
redis.call('SET', KEYS[2], string.format('%d', n))
redis.call('XADD', KEYS[1], string.format('%d-0', n), 't', ARGV[6], 'r', ARGV[7], 'm', ARGV[8])
redis.call('PUBLISH', ARGV[9], string.format('wake %s %d', ARGV[10], n))
return n
