-- peek: where group publisher stands, and the lanes of the next entries, so that pull can declare its keys. Reads only.
-- KEYS 1 events stream
-- ARGV 1 group  2 count
-- Returns {last-delivered-id, target, lane, target, lane, ...}: one pair per entry
--@include group
--@include entry
local reply = {group_of(KEYS[1], ARGV[1])['last-delivered-id']}
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '(' .. reply[1], '+', 'COUNT', ARGV[2])) do
  local fields = fields_of(entry[2])
  reply[#reply + 1] = fields.target
  reply[#reply + 1] = fields.lane
end
return reply
