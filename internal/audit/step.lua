-- KEYS: log, state, then the step's own. ARGV: number of lines, expected head, new
-- head, oldest time to keep, most entries, the lines, then the step's own. Returns
-- what the step returned, or -1 if the head is another one.
local lines = tonumber(ARGV[1])
if lines > 0 then
  local head = redis.call('HGET', KEYS[2], 'head') or ''
  if head == ARGV[3] then return 1 end -- a retry: the reply was lost
  if head ~= ARGV[2] then return -1 end
end
local keys, args = {}, {}
for i = 3, #KEYS do keys[i - 2] = KEYS[i] end
for i = 6 + lines, #ARGV do args[i - 5 - lines] = ARGV[i] end
local done = step(keys, args)
if done > 0 and lines > 0 then
  for i = 6, 5 + lines do redis.call('RPUSH', KEYS[1], ARGV[i]) end
  redis.call('HSET', KEYS[2], 'head', ARGV[3])
  trim(KEYS[1], KEYS[2], tonumber(ARGV[4]), tonumber(ARGV[5]))
end
return done
