// The scripts: each is one atomic step on one scope. Their arguments decide
// everything; they read no clock and choose nothing at random.

package inbox

import "github.com/redis/go-redis/v9"

// holds is the function that tells whether an entry is still a turn's: a store
// that went back to an older state may have given its id to another message.
const holds = `
local function holds(events, entry, turn)
  local found = redis.call('XRANGE', events, entry, entry)
  if #found == 0 then return false end
  local fields = found[1][2]
  for i = 1, #fields, 2 do
    if fields[i] == 't' then return fields[i + 1] == turn end
  end
  return turn == ''
end
`

type scripts struct {
	put, acquire, renew, release, begin, record, close, bury, drop, stop, withdraw *redis.Script
}

func newScripts() scripts {
	return scripts{
		// KEYS events, events:last, 4 × seen, 4 × joined
		// ARGV message key, seen ttl, thread mode, thread, joined ttl, turn, ref,
		//      sealed message, channel, scope, "1" when replicas are waited for, now
		// → id of the entry, 0 seen before, -1 a thread the bot takes no part in
		put: redis.NewScript(`
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
redis.call('PUBLISH', ARGV[9], 'wake ' .. ARGV[10])
return n`),

		// KEYS owner:lease, owner; ARGV nonce, lease → token, or nil when taken
		acquire: redis.NewScript(`
local held = redis.call('GET', KEYS[1])
if held then
  if string.sub(held, -#ARGV[1]) == ARGV[1] then return held end
  return false
end
local n = tonumber(string.match(redis.call('GET', KEYS[2]) or '0', '^%d+')) + 1
local token = string.format('%d.%s', n, ARGV[1])
redis.call('SET', KEYS[2], token)
redis.call('SET', KEYS[1], token, 'PX', ARGV[2])
return token`),

		// KEYS owner:lease, owner, stops, events:last, owner:beat:lease, withdrawn
		// ARGV token, lease, beat
		// → nil when lost, else {id of the newest entry, stopped turns, the beat
		//   before, whether this one is kept, messages taken back}
		renew: redis.NewScript(`
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return false end
-- PEXPIRE works in a Redis that is full, SET does not.
if redis.call('PEXPIRE', KEYS[1], ARGV[2]) == 0 then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
local before = redis.call('GET', KEYS[5]) or ''
local kept = redis.pcall('SET', KEYS[5], ARGV[3], 'PX', 100 * ARGV[2])
return {redis.call('GET', KEYS[4]) or '0', redis.call('SMEMBERS', KEYS[3]), before, kept.err and '0' or '1', redis.call('ZRANGE', KEYS[6], 0, -1)}`),

		// KEYS owner:lease, owner; ARGV token, channel, scope
		release: redis.NewScript(`
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('PUBLISH', ARGV[2], 'free ' .. ARGV[3])
return 1`),

		// KEYS owner, turns; ARGV token, turn, sealed running record
		// → attempt, or -1 when lost
		begin: redis.NewScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return -1 end
redis.call('HSET', KEYS[2], ARGV[2] .. ':r', ARGV[3])
return redis.call('HINCRBY', KEYS[2], ARGV[2] .. ':a', 1)`),

		// KEYS owner, turns, events; ARGV token, turn, sealed parts, entry, attempt
		// → 1, 0 when the message is gone, or -1 when lost
		record: redis.NewScript(holds + `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return -1 end
if redis.call('HEXISTS', KEYS[2], ARGV[2] .. ':a') == 0 then
  if not holds(KEYS[3], ARGV[4], ARGV[2]) then return 0 end
  redis.call('HSET', KEYS[2], ARGV[2] .. ':a', ARGV[5])
end
redis.call('HSET', KEYS[2], ARGV[2] .. ':p', ARGV[3])
return 1`),

		// KEYS owner, events, turns, stops, withdrawn, then one per write
		// ARGV token, entry, turn, message key or "" to close whatever was taken
		//      back, then per write: set value ttl | push value keep ttl |
		//      add n (field amount)×n ttl
		// → {1, what a write failed with or ""}, {0} closed before, {-1} lost,
		//   {-2} not closed: the message was taken back
		//
		// A write that fails (its key holds another type) does not keep the turn
		// open: it was answered. A full Redis does.
		close: redis.NewScript(holds + `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {-1} end
if not holds(KEYS[2], ARGV[2], ARGV[3]) then return {0} end
if ARGV[4] ~= '' and redis.call('ZSCORE', KEYS[5], ARGV[4]) then return {-2} end
local failed = ''
local function try(...)
  local r = redis.pcall(...)
  if type(r) == 'table' and r.err then
    if string.sub(r.err, 1, 3) == 'OOM' then error(r.err, 0) end
    failed = r.err
  end
end
local turn = ARGV[3]
local a = 5
for k = 6, #KEYS do
  local op = ARGV[a]
  a = a + 1
  if op == 'set' then
    if ARGV[a + 1] == '0' then
      try('SET', KEYS[k], ARGV[a])
    else
      try('SET', KEYS[k], ARGV[a], 'PX', ARGV[a + 1])
    end
    a = a + 2
  elseif op == 'push' then
    try('RPUSH', KEYS[k], ARGV[a])
    try('LTRIM', KEYS[k], -tonumber(ARGV[a + 1]), -1)
    if ARGV[a + 2] ~= '0' then try('PEXPIRE', KEYS[k], ARGV[a + 2]) end
    a = a + 3
  else
    local n = tonumber(ARGV[a])
    a = a + 1
    for _ = 1, n do
      try('HINCRBYFLOAT', KEYS[k], ARGV[a], ARGV[a + 1])
      a = a + 2
    end
    if ARGV[a] ~= '0' then try('PEXPIRE', KEYS[k], ARGV[a]) end
    a = a + 1
  end
end
redis.call('XDEL', KEYS[2], ARGV[2])
redis.call('HDEL', KEYS[3], turn .. ':a', turn .. ':p', turn .. ':r')
redis.call('SREM', KEYS[4], turn)
return {1, failed}`),

		// KEYS owner, events, turns, dead; ARGV token, entry, turn, report
		bury: redis.NewScript(holds + `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return -1 end
if not holds(KEYS[2], ARGV[2], ARGV[3]) then return 0 end
redis.call('LPUSH', KEYS[4], ARGV[4])
redis.call('LTRIM', KEYS[4], 0, 999)
redis.call('XDEL', KEYS[2], ARGV[2])
redis.call('HDEL', KEYS[3], ARGV[3] .. ':a', ARGV[3] .. ':p', ARGV[3] .. ':r')
return 1`),

		// KEYS 4 × seen, withdrawn
		// ARGV message key, seen ttl, now, ttl, most, channel, message
		// → 1, 0 when the message was not stored, and will not be
		withdraw: redis.NewScript(`
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
return 1`),

		// KEYS owner, events, turns, stops; ARGV token, entry, turn
		// → 1, 0 when the entry is gone, -1 when lost
		drop: redis.NewScript(holds + `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return -1 end
if not holds(KEYS[2], ARGV[2], ARGV[3]) then return 0 end
redis.call('XDEL', KEYS[2], ARGV[2])
redis.call('HDEL', KEYS[3], ARGV[3] .. ':a', ARGV[3] .. ':p', ARGV[3] .. ':r')
redis.call('SREM', KEYS[4], ARGV[3])
return 1`),

		// KEYS turns, stops; ARGV turn, channel, message → 1, 0 when not running
		stop: redis.NewScript(`
if redis.call('HEXISTS', KEYS[1], ARGV[1] .. ':a') == 0 then return 0 end
redis.call('SADD', KEYS[2], ARGV[1])
redis.call('PUBLISH', ARGV[2], ARGV[3])
return 1`),
	}
}
