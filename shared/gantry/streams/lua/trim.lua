-- trim: drop from events what the publishers have taken, and from receipts and outcomes the old ones that the journal has written.
-- KEYS 1 events  2 ledger, then receipts and outcomes
-- ARGV 1 publisher's group  2 journal's group  3 receipts and outcomes to keep  4 percent of maxmemory at which the journal is skipped forward (0 never)
--      5 percent of maxmemory that each stream may hold for it even then  6 ms after which a journal that has not read is taken for gone
-- Returns entries dropped from events; 0 when the group is missing, since then nothing is known to be taken.
--@include group
--@include memory
--@include clock
--@include outcome
--@include entry
local KEEP = tonumber(ARGV[3])
local function first_needed(stream)                                        -- by the journal; nil: it has everything, or nobody ever read here
  local group = group_of(stream, ARGV[2])
  if not group or group.consumers == 0 then return nil end
  local pending = redis.call('XPENDING', stream, ARGV[2])
  if pending[1] > 0 then return pending[2] end
  local unread = redis.call('XRANGE', stream, '(' .. group['last-delivered-id'], '+', 'COUNT', 1)[1]
  return unread and unread[1]
end

local function let_go(stream)                                              -- of what a journal that is gone had in hand: all that is newer lies behind it
  for _, row in ipairs(redis.call('XINFO', 'CONSUMERS', stream, ARGV[2])) do
    if fields_of(row).idle < tonumber(ARGV[6]) then return 0 end           -- it may still write them
  end
  local count, ids = 0, nil
  repeat
    ids = {}
    for _, row in ipairs(redis.call('XPENDING', stream, ARGV[2], '-', '+', 1000)) do ids[#ids + 1] = row[1] end
    if #ids > 0 then count = count + redis.call('XACK', stream, ARGV[2], unpack(ids)) end
  until #ids < 1000
  return count
end

local function skip_forward(stream, name)                                  -- counted, and told in the journal's own log
  local skipped = lag_of(stream, group_of(stream, ARGV[2])) + let_go(stream)
  if skipped == 0 then return end
  local info = fields_of(redis.call('XINFO', 'STREAM', stream))
  redis.call('XGROUP', 'SETID', stream, ARGV[2], info['last-generated-id'], 'ENTRIESREAD', digits(info['entries-added']))
  redis.call('HINCRBY', KEYS[2], 'journal_skipped', skipped)
  local time = redis.call('TIME')
  local us = time[1] * 1000000 + time[2]
  write_outcome(KEYS[4], us, {kind = 'skipped', id = '', dev = '', t_rx = digits(us), detail = name .. ' ' .. digits(skipped)})
end

local function begin_at_first(stream)                                      -- nobody has read here: else Redis 7.0 counts what was dropped as not read for good
  local group = group_of(stream, ARGV[2])
  if not group or not group.lag or group.consumers > 0 or group['last-delivered-id'] ~= '0-0' then return end
  local info = fields_of(redis.call('XINFO', 'STREAM', stream))
  redis.call('XGROUP', 'SETID', stream, ARGV[2], '0-0', 'ENTRIESREAD', digits(info['entries-added'] - info.length))
end

local function drop_written(stream)
  local needed = first_needed(stream)
  if needed then return redis.call('XTRIM', stream, 'MINID', needed) end
  return redis.call('XTRIM', stream, 'MAXLEN', 0)
end

local function empty_for_room(stream, name)
  drop_written(stream)
  if redis.call('XLEN', stream) > KEEP and redis.call('MEMORY', 'USAGE', stream) >= memory_max() * ARGV[5] / 100 then
    skip_forward(stream, name)
    drop_written(stream)
  end
end

local function is_far_behind(stream, needed)                               -- to read a thousand receipts takes tens of ms, so the counters are asked first
  local group = group_of(stream, ARGV[2])
  if group.pending + (group.lag or 0) >= KEEP then return true end
  return #redis.call('XRANGE', stream, needed, '+', 'COUNT', KEEP) == KEEP
end

local function keep_newest(stream)
  if redis.call('XLEN', stream) <= KEEP * 1.2 then return end
  local needed = first_needed(stream)
  if needed and is_far_behind(stream, needed) then redis.call('XTRIM', stream, 'MINID', needed)
  else redis.call('XTRIM', stream, 'MAXLEN', KEEP) end
end

local short = memory_over(ARGV[4])
for i, name in ipairs({'receipts', 'outcomes'}) do
  local stream = KEYS[2 + i]
  if redis.call('EXISTS', stream) == 1 then
    if short then empty_for_room(stream, name) else keep_newest(stream) end
    begin_at_first(stream)
  end
end
local group = group_of(KEYS[1], ARGV[1])
if not group then return 0 end
local unread = redis.call('XRANGE', KEYS[1], '(' .. group['last-delivered-id'], '+', 'COUNT', 1)[1]
if not unread then return redis.call('XTRIM', KEYS[1], 'MAXLEN', 0) end      -- it has been given everything
return redis.call('XTRIM', KEYS[1], 'MINID', '=', unread[1])
