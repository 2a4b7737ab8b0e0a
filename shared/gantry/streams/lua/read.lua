-- read: work for whoever holds the processor's lease: leftovers of a crash, a lost reply or a predecessor, and only then something new.
-- KEYS 1 raw stream  2 lease hash of the processor
-- ARGV 1 group  2 consumer  3 lease token  4 most entries  5 bytes of bodies after which no more are added
-- Returns the entries | 'FENCED'
--@include group
if redis.call('HGET', KEYS[2], 'token') ~= ARGV[3] then return 'FENCED' end
local STEP = 20                                                            -- a body may be large: look at the sum now and then
local count, bytes = tonumber(ARGV[4]), tonumber(ARGV[5])
local entries = {}
local function read(from)
  while #entries < count and bytes > 0 do
    local step = math.min(STEP, count - #entries)
    local reply = redis.call('XREADGROUP', 'GROUP', ARGV[1], ARGV[2], 'COUNT', step, 'STREAMS', KEYS[1], from)
    local found = reply and reply[1][2] or {}
    for _, entry in ipairs(found) do
      entries[#entries + 1] = entry
      for _, value in ipairs(entry[2] or {}) do bytes = bytes - #value end
    end
    if #found < step then return end
    if from ~= '>' then from = found[#found][1] end                        -- further on among the pending
  end
end
read('0')
if #entries == 0 then
  read('>')
  local reached = group_of(KEYS[1], ARGV[1])['entries-read']               -- as the server counts: entries deleted unread are passed over too
  if #entries > 0 and reached then                                         -- Redis 7.0 forgets this when it replays its AOF, unless a command says it
    redis.call('XGROUP', 'SETID', KEYS[1], ARGV[1], entries[#entries][1], 'ENTRIESREAD', reached)
  end
end
return entries
