-- trim: drop from events what the named groups have taken, and from receipts all but the newest.
-- KEYS 1 events stream  2 receipts stream
-- ARGV 1 receipts to keep, then the groups that hold back events
-- Returns entries dropped from events; 0 when a group is missing, since then nothing is known to be taken.
--@include group
local function less(a, b)                                                  -- ids compare as numbers of up to 20 digits
  local a1, a2 = string.match(a, '(%d+)-(%d+)')
  local b1, b2 = string.match(b, '(%d+)-(%d+)')
  if #a1 ~= #b1 then return #a1 < #b1 end
  if a1 ~= b1 then return a1 < b1 end
  if #a2 ~= #b2 then return #a2 < #b2 end
  return a2 < b2
end
redis.call('XTRIM', KEYS[2], 'MAXLEN', '~', ARGV[1])
local keep_from
for i = 2, #ARGV do
  local group = group_of(KEYS[1], ARGV[i])
  if not group then return 0 end
  local after = redis.call('XRANGE', KEYS[1], '(' .. group['last-delivered-id'], '+', 'COUNT', 1)[1]
  local need = after and after[1] or '18446744073709551615-18446744073709551615'
  if not keep_from or less(need, keep_from) then keep_from = need end
end
return redis.call('XTRIM', KEYS[1], 'MINID', '=', keep_from)
