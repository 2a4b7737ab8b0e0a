-- pull: what peek saw leaves the group's unread part and queues up in the lanes, which become due; all of it, or nothing.
-- KEYS 1 events stream, then due of each target, then flow of each target, then the list of each lane
-- ARGV 1 group  2 consumer  3 the id that peek gave  4 how many entries it gave  5 ladder percent (0 off)  6 targets
--      then three words per lane: target-number target lane; last: test clock
-- Returns how many entries moved | -1 another pull came between, so peek anew | -3 memory is short
--@include memory
--@include clock
--@include group
--@include entry
local events, targets = KEYS[1], tonumber(ARGV[6])
local before = group_of(events, ARGV[1])
if before['last-delivered-id'] ~= ARGV[3] then return -1 end
if memory_over(ARGV[5]) then return -3 end
local now = math.floor(clock_us() / 1000)
local reply = redis.call('XREADGROUP', 'GROUP', ARGV[1], ARGV[2], 'COUNT', ARGV[4], 'STREAMS', events, '>')
local entries = reply and reply[1][2] or {}
if #entries > 0 and before['entries-read'] then                            -- Redis 7.0 forgets this when it replays its AOF, unless a command says it
  redis.call('XGROUP', 'SETID', events, ARGV[1], entries[#entries][1], 'ENTRIESREAD', before['entries-read'] + #entries)
end
local items = {}
for _, entry in ipairs(entries) do
  local f = fields_of(entry[2])
  local name = f.target .. '\n' .. f.lane
  items[name] = items[name] or {}
  table.insert(items[name], table.concat({entry[1], f.id, f.dev, f.seq, f.t_rx, f.body}, '\n'))
end
local WINDOW_MS = 300000
local function note_flow(flow, lane, n)                                    -- what comes in by windows: "<start> <the one before the last> <the last> <this one>"
  local start, older, last, this = string.match(redis.call('HGET', flow, lane) or '', '^(%d+) (%d+) (%d+) (%d+)$')
  local passed = math.floor((now - (tonumber(start) or 0)) / WINDOW_MS)
  if not start or passed < 0 or passed > 2 then start, older, last, this = now - now % WINDOW_MS, 0, 0, 0
  elseif passed == 1 then start, older, last, this = start + WINDOW_MS, last, this, 0
  elseif passed == 2 then start, older, last, this = start + 2 * WINDOW_MS, this, 0, 0 end
  redis.call('HSET', flow, lane, table.concat({digits(start), digits(older), digits(last), digits(this + n)}, ' '))
end
for lane = 1, #KEYS - 1 - 2 * targets do
  local at = 4 + lane * 3
  local moved = items[ARGV[at + 1] .. '\n' .. ARGV[at + 2]]
  redis.call('RPUSH', KEYS[1 + 2 * targets + lane], unpack(moved))
  redis.call('ZADD', KEYS[1 + ARGV[at]], 'NX', digits(now), ARGV[at + 2])
  note_flow(KEYS[1 + targets + ARGV[at]], ARGV[at + 2], #moved)
end
return #entries
