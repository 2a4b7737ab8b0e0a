-- commit: the decisions about a batch come true, once: only the call whose XACK answers 1 for an entry acts on it. Needs the lease.
-- KEYS 1 raw  2 events  3 dead  4 ledger  5 inside  6 lease of the processor  7 dedup  8 dedup-of  9 outcomes  10 last  11 seen
--      12 rollup of seconds  13 of minutes  14 of hours  15.. lane-state per target
-- ARGV 1 group  2 lease token  3 dedup window µs  4 forget after µs  5 ladder percent (0 off)
--      6 most fingerprints kept  7 targets, then their names
--      then per entry: entry-id kind dev fingerprint t_rx event-id reason source t_dev what count, then count times what the kind needs:
--        'accept' target-number lane flags body | 'filter', 'vanished' nothing (count 0) |
--        'in', 'quarantine' body (count 1)
--      last: test clock
-- Returns {'FENCED'} | {'MEMORY'} | {'OK', finished, duplicate's event-id, original's event-id, ...}; a repeat finishes 0 and names the
-- duplicates again, unless their fingerprint has been superseded since.
--@include memory
--@include clock
--@include rollup
--@include outcome
--@include seen
local raw, events, dead, ledger, inside, lease, dedup, dedup_of, outcomes, last = unpack(KEYS, 1, 10)
if redis.call('HGET', lease, 'token') ~= ARGV[2] then return {'FENCED'} end
local group, window, forget, targets = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[7])
local FIRST, HEAD, SWEEP = 8 + targets, 11, 400                            -- SWEEP: more than a batch adds
local NEEDED = {accept = 4, filter = 0, vanished = 0, ['in'] = 1, quarantine = 1}
local function next_of(i) return i + HEAD + tonumber(ARGV[i + 10]) * NEEDED[ARGV[i + 1]] end
local i, grows = FIRST, false
while i < #ARGV do
  grows = grows or NEEDED[ARGV[i + 1]] > 0
  i = next_of(i)
end
if grows and memory_over(ARGV[5]) then return {'MEMORY'} end
local now = clock_us()
local reply, finished, counts, units, newest = {'OK', 0}, {}, {}, {}, {}
local function add(map, field, n) map[field] = (map[field] or 0) + n end

local function seen_as(fingerprint, t_rx)
  local seen = fingerprint ~= '' and redis.call('HGET', dedup_of, fingerprint)
  if not seen then return nil end
  local at, original = string.match(seen, '^(%S+) (.*)$')
  if math.abs(tonumber(t_rx) - tonumber(at)) <= window then return original end
end

local function original_of(fingerprint, t_rx, event)                       -- nil: this one is the original
  local original = seen_as(fingerprint, t_rx)
  if original or fingerprint == '' then return original end
  redis.call('HSET', dedup_of, fingerprint, t_rx .. ' ' .. event)
  redis.call('ZADD', dedup, digits(now), fingerprint)
end

local function accept(i, dev, t_rx, event, count)
  add(counts, 'accepted', 1)
  add(counts, 'measures', count)
  add(units, dev, count - 1)
  for j = i + HEAD, i + HEAD + (count - 1) * NEEDED.accept, NEEDED.accept do
    local target, lane = tonumber(ARGV[j]), ARGV[j + 1]
    add(counts, 'measures:' .. ARGV[7 + target], 1)
    local seq = redis.call('HINCRBY', KEYS[14 + target], lane .. ':seq', 1)
    redis.call('XADD', events, '*', 'v', '1', 'id', event, 'dev', dev, 'target', ARGV[7 + target], 'lane', lane,
      'seq', seq, 't_rx', t_rx, 'flags', ARGV[j + 2], 'body', ARGV[j + 3])
    newest[ARGV[7 + target]] = {digits(now / 1000), event, dev, lane, t_rx, ARGV[j + 3]}
    note_lane(dev, ARGV[7 + target] .. '/' .. lane)
  end
end

i = FIRST
while i < #ARGV do
  local id, kind, dev, fingerprint, t_rx, event, reason, src, t_dev, what = unpack(ARGV, i, i + 9)
  if redis.call('XACK', raw, group, id) == 1 then
    finished[#finished + 1] = id
    if kind ~= 'vanished' then note_seen(dev, t_rx, src, what) end
    local ended = {id = event, src = src, dev = dev, t_dev = t_dev, t_rx = t_rx, what = what, detail = reason}
    local original = kind == 'accept' and original_of(fingerprint, t_rx, event)
    if original then
      add(counts, 'deduplicated', 1)
      add(units, dev, -1)
      ended.kind, ended.detail = 'deduplicated', original
      reply[#reply + 1] = event
      reply[#reply + 1] = original
    elseif kind == 'accept' then accept(i, dev, t_rx, event, tonumber(ARGV[i + 10]))
    elseif kind == 'filter' then
      add(counts, 'filtered', 1)
      add(counts, 'filtered:' .. reason, 1)
      add(units, dev, -1)
      ended.kind = 'filtered'
    elseif kind ~= 'vanished' then                                         -- a letter keeps its place in the device's quota
      add(counts, 'dead_in', 1)
      ended.kind, ended.class = 'dead', kind
      ended.letter = redis.call('XADD', dead, '*', 'v', '1', 'class', kind, 'id', event, 'src', src, 'dev', dev, 'target', '', 'lane', '', 'seq', '',
        't_dev', t_dev, 't_rx', t_rx, 'attempts', '0', 'reason', reason, 'body', ARGV[i + HEAD])
      if kind == 'quarantine' then newest.unknown = {digits(now / 1000), one_line(event), one_line(dev), one_line(src), t_rx, one_line(reason), one_line(t_dev), ARGV[i + HEAD]} end
    end
    if ended.kind then write_outcome(outcomes, now, ended) end
  elseif kind == 'accept' then                                             -- finished by a call whose reply was lost
    local original = seen_as(fingerprint, t_rx)
    if original and original ~= event then
      reply[#reply + 1] = event
      reply[#reply + 1] = original
    end
  end
  i = next_of(i)
end
if #finished > 0 then redis.call('XDEL', raw, unpack(finished)) end
for field, n in pairs(counts) do redis.call('HINCRBY', ledger, field, n) end
for dev, n in pairs(units) do
  if n ~= 0 and redis.call('HINCRBY', inside, dev, n) == 0 then redis.call('HDEL', inside, dev) end
end
local second = math.floor(now / 1000000)
local function roll_up(figure, n)
  if not n then return end
  roll(KEYS[13], 'minutes', second, figure, n)
  roll(KEYS[14], 'hours', second, figure, n)
end
roll_up('deduplicated', counts.deduplicated)
roll_up('filtered', counts.filtered)
roll_up('dead', counts.dead_in)
for target = 1, targets do
  local name = ARGV[7 + target]
  local n = counts['measures:' .. name]
  roll_up(name, n)
  if n then roll(KEYS[12], 'seconds', second, name, n) end
end
for period, key in pairs({seconds = KEYS[12], minutes = KEYS[13], hours = KEYS[14]}) do sweep_rollup(key, period, second) end
for family, fields in pairs(newest) do redis.call('HSET', last, family, table.concat(fields, '\n')) end
write_seen(KEYS[11])
local function drop(fingerprints)
  if #fingerprints == 0 then return end
  redis.call('ZREM', dedup, unpack(fingerprints))
  redis.call('HDEL', dedup_of, unpack(fingerprints))
end
drop(redis.call('ZRANGEBYSCORE', dedup, '-inf', digits(now - forget), 'LIMIT', 0, SWEEP))
local surplus = math.min(SWEEP, redis.call('ZCARD', dedup) - tonumber(ARGV[6]))
if surplus > 0 then drop(redis.call('ZRANGE', dedup, 0, surplus - 1)) end
reply[2] = #finished
return reply
