-- KEYS owner, events, turns, stops, withdrawn, then one per write
-- ARGV token, entry, turn, message key or "" to close whatever was taken
--      back, number of steps, then per write: set value ttl | push value keep ttl |
--      add n (field amount)×n ttl
-- → {1, what a write failed with or ""}, {0} closed before, {-1} lost,
--   {-2} not closed: the message was taken back
--
-- A write that fails (its key holds another type) does not keep the turn
-- open: it was answered. A full Redis does.

if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {-1} end
local turn = ARGV[3]
local function forget()
  local record = {turn .. ':a', turn .. ':p', turn .. ':r'}
  for k = 0, tonumber(ARGV[5]) - 1 do
    table.insert(record, turn .. ':s' .. k)
  end
  redis.call('HDEL', KEYS[3], unpack(record))
  redis.call('SREM', KEYS[4], turn)
end
if not holds(KEYS[2], ARGV[2], ARGV[3]) then
  forget() -- a store that went back may have lost the message, and not the turn
  return {0}
end
if ARGV[4] ~= '' and redis.call('ZSCORE', KEYS[5], ARGV[4]) then return {-2} end
local failed = ''
local function try(...)
  local r = redis.pcall(...)
  if type(r) == 'table' and r.err then
    if string.sub(r.err, 1, 3) == 'OOM' then error(r.err, 0) end
    failed = r.err
  end
end
local a = 6
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
forget()
return {1, failed}
