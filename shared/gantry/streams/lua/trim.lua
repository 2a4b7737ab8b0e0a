-- trim: drop from events what the publishers have taken, and from receipts and outcomes the old ones that the journal has written.
-- KEYS 1 events  2 ledger, then receipts and outcomes
-- ARGV 1 publisher's group  2 journal's group  3 receipts and outcomes to keep  4 percent of maxmemory at which the journal is skipped forward (0 never)
-- Returns entries dropped from events; 0 when the group is missing, since then nothing is known to be taken.
--@include group
--@include memory
--@include clock
--@include outcome
local KEEP = tonumber(ARGV[3])
local function first_needed(stream)                                        -- by the journal; nil: it has everything, or nobody ever read here
  local group = group_of(stream, ARGV[2])
  if not group or group.consumers == 0 then return nil end
  local pending = redis.call('XPENDING', stream, ARGV[2])
  if pending[1] > 0 then return pending[2] end
  local unread = redis.call('XRANGE', stream, '(' .. group['last-delivered-id'], '+', 'COUNT', 1)[1]
  return unread and unread[1]
end

local function skip_forward(stream, name)                                  -- what it has in hand stays; counted, and told in the journal's own log
  local skipped = lag_of(stream, group_of(stream, ARGV[2]))
  if skipped <= KEEP then return end                                       -- it keeps up: it is not what fills the memory
  redis.call('XGROUP', 'SETID', stream, ARGV[2], redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1][1])
  redis.call('HINCRBY', KEYS[2], 'journal_skipped', skipped)
  local time = redis.call('TIME')
  local us = time[1] * 1000000 + time[2]
  write_outcome(KEYS[4], us, {kind = 'skipped', id = '', dev = '', t_rx = digits(us), detail = name .. ' ' .. digits(skipped)})
end

local short = memory_over(ARGV[4])
local function trim_written(stream, name)
  if redis.call('XLEN', stream) <= (short and 0 or KEEP * 1.2) then return end
  if short and first_needed(stream) then skip_forward(stream, name) end
  local needed = first_needed(stream)
  if needed and (short or #redis.call('XRANGE', stream, needed, '+', 'COUNT', KEEP) == KEEP) then redis.call('XTRIM', stream, 'MINID', needed)
  else redis.call('XTRIM', stream, 'MAXLEN', short and 0 or KEEP) end
end

trim_written(KEYS[3], 'receipts')
trim_written(KEYS[4], 'outcomes')
local group = group_of(KEYS[1], ARGV[1])
if not group then return 0 end
local unread = redis.call('XRANGE', KEYS[1], '(' .. group['last-delivered-id'], '+', 'COUNT', 1)[1]
if not unread then return redis.call('XTRIM', KEYS[1], 'MAXLEN', 0) end      -- it has been given everything
return redis.call('XTRIM', KEYS[1], 'MINID', '=', unread[1])
