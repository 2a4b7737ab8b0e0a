-- group: XINFO GROUPS of one group as a table; nil when there is no such group or stream.
local function group_of(stream, name)
  if redis.call('EXISTS', stream) == 0 then return nil end
  for _, row in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
    local group = {}
    for i = 1, #row, 2 do group[row[i]] = row[i + 1] end
    if group.name == name then return group end
  end
end
-- entries that the group has not been given yet; counted where the server does not know (Redis 7.0 after some restarts)
local function lag_of(stream, group)
  if not group then return 0 end
  if group.lag then return group.lag end
  local lag, last = 0, group['last-delivered-id']
  repeat
    local entries = redis.call('XRANGE', stream, '(' .. last, '+', 'COUNT', 1000)
    lag = lag + #entries
    if #entries > 0 then last = entries[#entries][1] end
  until #entries < 1000
  return lag
end
local function pending_of(group) return group and group.pending or 0 end   -- nothing has run yet: nothing is open
