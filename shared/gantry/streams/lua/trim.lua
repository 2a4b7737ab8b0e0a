-- trim: drop from events what the named groups have taken, and from receipts all but the newest.
-- KEYS 1 events stream  2 receipts stream
-- ARGV 1 receipts to keep, then the groups that hold back events
-- Returns entries dropped from events; 0 when a group is missing, since then nothing is known to be taken.
--@include group
local function sortable(id)                                                -- both halves at full width, so that text compares as numbers do
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return string.rep('0', 20 - #ms) .. ms .. string.rep('0', 20 - #seq) .. seq
end
local END = string.rep('9', 40)                                            -- behind every id
redis.call('XTRIM', KEYS[2], 'MAXLEN', '~', ARGV[1])
local keep, keep_order
for i = 2, #ARGV do
  local group = group_of(KEYS[1], ARGV[i])
  if not group then return 0 end
  local unread = redis.call('XRANGE', KEYS[1], '(' .. group['last-delivered-id'], '+', 'COUNT', 1)[1]
  local order = unread and sortable(unread[1]) or END
  if not keep_order or order < keep_order then keep, keep_order = unread and unread[1], order end
end
if not keep then return redis.call('XTRIM', KEYS[1], 'MAXLEN', 0) end       -- every group has been given everything
return redis.call('XTRIM', KEYS[1], 'MINID', '=', keep)
