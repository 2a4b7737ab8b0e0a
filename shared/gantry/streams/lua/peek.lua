-- peek: what a pull would move: its lanes have to be in KEYS, and only the entries tell them. Writes nothing.
-- KEYS 1 events stream
-- ARGV 1 group  2 count
-- Returns the group's last-delivered-id, and behind it target and lane of each entry: {id, target, lane, target, lane, ...}
--@include group
--@include entry
local reply = {group_of(KEYS[1], ARGV[1])['last-delivered-id']}
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '(' .. reply[1], '+', 'COUNT', ARGV[2])) do
  local fields = fields_of(entry[2])
  reply[#reply + 1] = fields.target
  reply[#reply + 1] = fields.lane
end
return reply
