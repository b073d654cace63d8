-- KEYS owner:lease, owner, stops, events:last, owner:beat:lease, withdrawn
-- ARGV token, lease, beat
-- → nil when lost, else {id of the newest entry, stopped turns, the beat
--   before, whether this one is kept, messages taken back}

if redis.call('GET', KEYS[2]) ~= ARGV[1] then return false end
-- PEXPIRE works in a Redis that is full, SET does not.
if redis.call('PEXPIRE', KEYS[1], ARGV[2]) == 0 then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
local before = redis.call('GET', KEYS[5]) or ''
local kept = redis.pcall('SET', KEYS[5], ARGV[3], 'PX', 100 * ARGV[2])
return {redis.call('GET', KEYS[4]) or '0', redis.call('SMEMBERS', KEYS[3]), before, kept.err and '0' or '1', redis.call('ZRANGE', KEYS[6], 0, -1)}
