-- breaker: the target's circuit breaker as a table, written back by each change; and the target's pause.
local function read_breaker()
  local b = redis.call('HMGET', breaker, 'state', 'until', 'probe', 'failures', 'streak', 'last', 'trips', 'reason', 'first', 'mixed', 'slow')
  local read = {state = b[1] or 'closed', till = tonumber(b[2] or '0'), probe = b[3] or '', failures = tonumber(b[4] or '0'),
    streak = tonumber(b[5] or '0'), last = b[6] or '', trips = tonumber(b[7] or '0'), reason = b[8] or '', first = b[9] or '', mixed = b[10] or '',
    slow = tonumber(b[11] or '0')}
  if read.till > now + legal then read.till = now end                      -- the clock stepped back
  if read.slow > now + legal then read.slow = now end
  return read
end
local circuit = read_breaker()
local function open_circuit(lane, reason)                                  -- opened again by a probe that failed, it is the same trip
  if circuit.streak == 0 then
    circuit.trips = circuit.trips + 1
    redis.call('HSET', breaker, 'trips', digits(circuit.trips), 'since', digits(now))
  end
  circuit.streak = circuit.streak + 1
  circuit.state, circuit.failures, circuit.probe, circuit.reason, circuit.last = 'open', 0, '', reason, lane
  circuit.till = now + math.min(legal, tonumber(ARGV[9]) * 2 ^ math.min(circuit.streak - 1, 10))
  redis.call('HSET', breaker, 'state', 'open', 'until', digits(circuit.till), 'probe', '', 'failures', '0', 'streak', digits(circuit.streak),
    'last', lane, 'reason', reason, 'first', circuit.first, 'mixed', circuit.mixed)
end
local function close_circuit()                                             -- any answer that judges the measure shows that the platform works
  if circuit.state == 'closed' and circuit.failures == 0 then return end
  if circuit.state ~= 'closed' then redis.call('HSET', breaker, 'since', digits(now)) end
  circuit.state, circuit.failures, circuit.streak, circuit.probe = 'closed', 0, 0, ''
  redis.call('HSET', breaker, 'state', 'closed', 'failures', '0', 'streak', '0', 'probe', '')
end
local function one_lane_only() return redis.call('ZCOUNT', due, '-inf', '(inf') <= 1 end
local function count_failure(lane, reason)                                 -- one device alone does not speak for all, unless no other has anything to say
  circuit.failures = circuit.failures + 1
  if circuit.failures == 1 then circuit.first, circuit.mixed = lane, ''
  elseif lane ~= circuit.first then circuit.mixed = '1' end
  if circuit.failures >= tonumber(ARGV[8]) and (circuit.mixed == '1' or (ARGV[18] == '1' and one_lane_only())) then open_circuit(lane, reason)
  else
    redis.call('HSET', breaker, 'failures', digits(circuit.failures), 'first', circuit.first, 'mixed', circuit.mixed, 'last', lane, 'reason', reason)
  end
end
local function hand_back_probe()                                           -- unused: the next who asks gets it
  circuit.state, circuit.till, circuit.probe = 'open', now, ''
  redis.call('HSET', breaker, 'state', 'open', 'until', digits(now), 'probe', '')
end

local pause = redis.call('HGET', paused, target)
local pause_till = pause and tonumber(string.match(pause, '^(%d+)\n') or '0')
if pause and pause_till > 0 and pause_till <= now then
  redis.call('HDEL', paused, target)
  pause = false
end
local function is_paused() return pause and true or false end
