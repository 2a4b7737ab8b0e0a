-- breaker: the target's circuit breaker as a table, written back by each change.
local function read_breaker()
  local b = redis.call('HMGET', breaker, 'state', 'until', 'probe', 'failures', 'streak', 'last', 'trips', 'reason')
  local opened = {state = b[1] or 'closed', till = tonumber(b[2] or '0'), probe = b[3] or '', failures = tonumber(b[4] or '0'),
    streak = tonumber(b[5] or '0'), last = b[6] or '', trips = tonumber(b[7] or '0'), reason = b[8] or ''}
  if opened.till > now + legal then opened.till = now end                  -- the clock stepped back
  return opened
end
local circuit = read_breaker()
local function open_circuit(reason)
  circuit.streak, circuit.trips = circuit.streak + 1, circuit.trips + 1
  circuit.state, circuit.failures, circuit.probe, circuit.reason = 'open', 0, '', reason
  circuit.till = now + math.min(legal, tonumber(ARGV[11]) * 2 ^ math.min(circuit.streak - 1, 10))
  redis.call('HSET', breaker, 'state', 'open', 'until', digits(circuit.till), 'probe', '', 'failures', '0', 'streak', digits(circuit.streak),
    'trips', digits(circuit.trips), 'last', circuit.last, 'reason', reason, 'since', digits(now))
end
local function close_circuit()                                             -- any answer that judges the measure shows that the platform works
  if circuit.state == 'closed' and circuit.failures == 0 then return end
  circuit.state, circuit.failures, circuit.streak, circuit.probe = 'closed', 0, 0, ''
  redis.call('HSET', breaker, 'state', 'closed', 'failures', '0', 'streak', '0', 'probe', '')
end
local function count_failure(lane, reason, was_probe)
  circuit.last, circuit.failures = lane, circuit.failures + 1
  if was_probe or circuit.failures >= tonumber(ARGV[10]) then open_circuit(reason)
  else redis.call('HSET', breaker, 'failures', digits(circuit.failures), 'last', lane, 'reason', reason) end
end
