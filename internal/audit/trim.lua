-- Removes entries older than oldest (ms), and the oldest ones if there are more than
-- most. Keeps the hash of the last removed entry as anchor: the first remaining
-- entry holds it. An unreadable line is evidence of tampering and has no age.
local function trim(log, state, oldest, most)
  local left, popped = redis.call('LLEN', log), false
  for _ = 1, 1000 do
    local line = redis.call('LINDEX', log, 0)
    if not line then break end
    local at = string.match(line, '^{"at":(%d+),')
    if left <= most and (not at or tonumber(at) >= oldest) then break end
    redis.call('LPOP', log)
    left, popped = left - 1, true
  end
  if not popped then return end
  local first = redis.call('LINDEX', log, 0)
  local anchor
  if first then
    anchor = string.match(first, '^{"at":%d+,"prev":"(%x*)"') or ''
  else
    anchor = redis.call('HGET', state, 'head') or ''
  end
  redis.call('HSET', state, 'anchor', anchor)
end
