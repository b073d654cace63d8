-- Removes entries older than oldest (ms), and the oldest beyond most. The hash of
-- the last one removed, which the first that is left holds, stays as anchor. A
-- line that cannot be read was tampered with; its age removes it not.
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
