-- holds is the function that tells whether an entry is still a turn's: a store
-- that went back to an older state may have given its id to another message.
local function holds(events, entry, turn)
  local found = redis.call('XRANGE', events, entry, entry)
  if #found == 0 then return false end
  local fields = found[1][2]
  for i = 1, #fields, 2 do
    if fields[i] == 't' then return fields[i + 1] == turn end
  end
  return turn == ''
end
