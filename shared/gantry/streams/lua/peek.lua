-- peek: what a pull would move: its lanes have to be in KEYS, and only the entries tell them. Writes nothing.
-- KEYS 1 events stream
-- ARGV 1 group  2 count  3 highest version of an entry that the caller can read
-- Returns the group's last-delivered-id, the version of the next entry if it is a higher one (else ''), and behind them target and lane
--      of each entry up to the first of a higher version: {id, version, target, lane, target, lane, ...}
--@include group
--@include entry
local reply = {group_of(KEYS[1], ARGV[1])['last-delivered-id'], ''}
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '(' .. reply[1], '+', 'COUNT', ARGV[2])) do
  local fields = fields_of(entry[2])
  if (tonumber(fields.v) or 0) > tonumber(ARGV[3]) then                     -- pull takes only what is named here
    if #reply == 2 then reply[2] = fields.v end
    return reply
  end
  reply[#reply + 1] = fields.target
  reply[#reply + 1] = fields.lane
end
return reply
