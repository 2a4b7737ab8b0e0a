-- audit: recount everything from the keys themselves, at one instant; the caller compares. Reads only.
-- KEYS 1 raw  2 events  3 dead  4 ledger  5 inside, then due, holds and lane-state of each target, then the list of every lane seen in due
-- ARGV 1 processor's group  2 publisher's group  3 targets, then per lane: target-number lane
-- Returns {name, value, ...}; counters carry the prefix "ledger:". Where due and lanes differ, lanes came or went since they were named.
--@include group
--@include entry
local raw, events, dead, ledger, inside = unpack(KEYS, 1, 5)             -- the lanes behind them may be more than unpack can hold
local targets = tonumber(ARGV[3])
local in_lanes, lanes, due = 0, 0, 0
for target = 1, targets do due = due + redis.call('ZCARD', KEYS[5 + target]) end
local function stays_due(target, lane)                                     -- without a measure: an operator holds it, or its newest is to be sent again
  local hold = redis.call('HGET', KEYS[5 + targets + target], lane)
  return (hold and string.sub(hold, 1, 9) == 'operator\n') or redis.call('HEXISTS', KEYS[5 + 2 * targets + target], lane .. ':resend') == 1
end
for i = 6 + 3 * targets, #KEYS do
  local n, at = redis.call('LLEN', KEYS[i]), 4 + 2 * (i - 6 - 3 * targets)
  in_lanes = in_lanes + n
  if n > 0 or (ARGV[at + 1] and redis.call('ZSCORE', KEYS[5 + ARGV[at]], ARGV[at + 1]) and stays_due(ARGV[at], ARGV[at + 1])) then lanes = lanes + 1 end
end
local held = 0
for _, units in ipairs(redis.call('HVALS', inside)) do held = held + units end
local letters_out, letters, last = 0, 0, '-'
repeat
  local page = redis.call('XRANGE', dead, last, '+', 'COUNT', 1000)
  for _, letter in ipairs(page) do
    letters = letters + 1
    if fields_of(letter[2]).class == 'out' then letters_out = letters_out + 1 end
  end
  if #page > 0 then last = '(' .. page[#page][1] end
until #page < 1000
local processor, publisher = group_of(raw, ARGV[1]), group_of(events, ARGV[2])
local reply = {
  'raw_entries', redis.call('XLEN', raw), 'raw_open', pending_of(processor) + lag_of(raw, processor),
  'pending', pending_of(publisher), 'lag', lag_of(events, publisher), 'in_lanes', in_lanes, 'lanes', lanes, 'due', due,
  'held', held, 'letters_in', letters - letters_out, 'letters_out', letters_out,
}
local counters = redis.call('HGETALL', ledger)
for i = 1, #counters, 2 do
  reply[#reply + 1] = 'ledger:' .. counters[i]
  reply[#reply + 1] = counters[i + 1]
end
return reply
