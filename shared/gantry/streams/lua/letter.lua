-- letter: a person's decision about letters comes true, for each once: only the call whose XDEL answers 1 acts on it.
-- An event goes back to raw, as it was received; a measure goes back to events, behind its lane, under a new number.
-- KEYS 1 dead  2 raw  3 events  4 ledger  5 inside  6 outcomes  7.. lane-state per target
-- ARGV 1 retry|drop  2 who decided  3 targets, then their names, then the letters' entry ids
-- Returns per letter: 1 done, 0 it is not there (any more), -1 it lacks a field or names a target that is not known here.
--      A repeat after a lost reply answers 0 for what the first call did.
--@include entry
--@include clock
--@include outcome
local dead, raw, events, ledger, inside = unpack(KEYS, 1, 5)
local verb, owner, targets = ARGV[1], ARGV[2], tonumber(ARGV[3])
local NEEDS = {out = {'id', 'dev', 'target', 'lane', 't_rx', 'body'}, ['in'] = {'id', 'src', 'dev', 't_dev', 't_rx', 'body'}}
NEEDS.quarantine = NEEDS['in']
local state_of = {}
for i = 1, targets do state_of[ARGV[3 + i]] = KEYS[6 + i] end
local answers, counts, units = {}, {}, {}
local time = redis.call('TIME')
local us = time[1] * 1000000 + time[2]
local function add(map, field, n) map[field] = (map[field] or 0) + n end

local function can_go_back(f)                                              -- nothing may fail once the letter is deleted
  local needs = NEEDS[f.class]
  if f.v ~= '1' or not needs then return false end
  for _, name in ipairs(needs) do
    if not f[name] then return false end
  end
  return f.class ~= 'out' or state_of[f.target] ~= nil
end

local function put_back(f)
  if f.class == 'out' then
    local seq = redis.call('HINCRBY', state_of[f.target], f.lane .. ':seq', 1)
    redis.call('XADD', events, '*', 'v', '1', 'id', f.id, 'dev', f.dev, 'target', f.target, 'lane', f.lane,
      'seq', seq, 't_rx', f.t_rx, 'flags', 'retried', 'body', f.body)
  else
    redis.call('XADD', raw, '*', 'v', '1', 'id', f.id, 'src', f.src, 'dev', f.dev, 'seq', '0',
      't_dev', f.t_dev, 't_rx', f.t_rx, 'enc', '', 'body', f.body)
  end
end

for i = 4 + targets, #ARGV do
  local entry, answer = redis.call('XRANGE', dead, ARGV[i], ARGV[i])[1], 0
  local f = entry and fields_of(entry[2])
  if f and verb == 'retry' and not can_go_back(f) then answer = -1
  elseif f and redis.call('XDEL', dead, ARGV[i]) == 1 then                 -- never refused, and from here on a full server cannot say OOM
    local of_measure = f.class == 'out'
    answer = 1
    add(counts, of_measure and 'dead_out' or 'dead_in', -1)
    if verb == 'retry' then
      put_back(f)
      add(counts, of_measure and 'retried' or 'retried_in', 1)
      add(counts, 'retried:' .. owner, 1)
    else
      add(counts, of_measure and 'dropped' or 'dropped_in', 1)
      add(counts, 'dropped:' .. owner, 1)
      add(units, f.dev or '', -1)
    end
    write_outcome(KEYS[6], us, {kind = verb == 'retry' and 'retried' or 'dropped', class = f.class, id = f.id or '', src = f.src, dev = f.dev or '',
      target = f.target, lane = f.lane, seq = f.seq, t_dev = f.t_dev, t_rx = f.t_rx or '0',
      what = f.class == 'out' and code_in(f.body or '') or '', detail = owner, letter = ARGV[i]})
  end
  answers[#answers + 1] = answer
end
for field, n in pairs(counts) do redis.call('HINCRBY', ledger, field, n) end
for dev, n in pairs(units) do
  if redis.call('HINCRBY', inside, dev, n) == 0 then redis.call('HDEL', inside, dev) end
end
return answers
