-- grant: pause, breaker, limits and lease in one step. Only a lane that is really handed out uses up tokens or the probe.
local function handed_out(c)                                               -- once more, as it was granted
  local lane = name_of(c)
  local taken, attempts = unpack(redis.call('HMGET', state, lane .. ':taken', lane .. ':attempts'))
  local n = tonumber(string.match(taken, '^%d+'))
  if n > 0 then return {lane, attempts or '0', 0, unpack(redis.call('LRANGE', list_of(c), 0, n - 1))} end
  local _, item = newest_of(lane)
  return {lane, attempts or '0', 1, item}
end

local function repeated()                                                  -- our reply was lost: the same lanes again, and no others
  if lanes == 0 then return nil end
  local fields, again = {}, {}
  for c = 1, lanes do fields[c] = name_of(c) .. ':token' end
  for c, held in ipairs(redis.call('HMGET', state, unpack(fields))) do
    if held == token then again[#again + 1] = handed_out(c) end
  end
  return #again > 0 and again or nil
end

local function may_go(lane, score)                                         -- due, or frozen by a clock that stepped back
  if not score then return false end
  score = tonumber(score)
  if score == math.huge or (score > now and score <= now + legal) then return false end
  if not held_by_operator(hold_of(lane)) then return true end
  redis.call('ZADD', due, '+inf', lane)
  return false
end

local function wait_for_rate(lane, key, period, burst, arrival)
  local ms = free_in(arrival, period, burst)
  redis.call('ZADD', due, digits(now + ms), lane)
  redis.call('HINCRBY', ledger, 'delayed', 1)
  redis.call('HINCRBY', ledger, 'delayed_ms', digits(ms))
end

local function oldest_of(lane, list, room)                                 -- items, sent again (1|0)
  local items = redis.call('LRANGE', list, 0, room - 1)
  if #items > 0 or redis.call('HEXISTS', state, lane .. ':resend') == 0 then return items, 0 end
  local _, item = newest_of(lane)
  return {item}, 1
end

local function take_probe(lane)                                            -- a prober that dies leaves `until`
  redis.call('HSET', breaker, 'state', 'half', 'until', digits(now + lease), 'probe', token .. ' ' .. lane)
  circuit.state, circuit.till, circuit.probe = 'half', now + lease, token .. ' ' .. lane
end

local function others_due(lane)                                            -- lanes beside this one that could be the probe
  local score = tonumber(redis.call('ZSCORE', due, lane) or nil)
  return redis.call('ZCOUNT', due, '-inf', digits(now)) > (score and score <= now and 1 or 0)
end

local function lease_out(c)                                                -- nil: not due, or its rate does not allow it yet
  local lane, key, period, burst = name_of(c), KEYS[14 + 2 * c], tonumber(ARGV[19 + 3 * c]), tonumber(ARGV[20 + 3 * c])
  if not may_go(lane, redis.call('ZSCORE', due, lane)) then return end
  local arrival = arrival_at(key, period, burst)
  local tokens = tokens_of(arrival, period, burst)
  if tokens < 1 then return wait_for_rate(lane, key, period, burst, arrival) end
  local held = redis.call('HMGET', state, lane .. ':batch', lane .. ':attempts')
  local room = math.min(batch_max, tonumber(held[1] or '1'))               -- a new device's first measure goes alone: two at once may make two of it
  if hold_of(lane) then room = 1 end
  local items, again = oldest_of(lane, list_of(c), by_request and room or math.min(tokens, room))
  if #items == 0 then                                                      -- nothing lies there: somebody wrote into due by hand
    redis.call('ZREM', due, lane)
    return
  end
  keep(key, arrival + (by_request and 1 or #items) * period)
  use_ceiling(1)
  local era = circuit.state == 'closed' and circuit.trips or 0             -- a probe is of no era: forgotten by a reset, its answer moves nothing
  redis.call('HSET', state, lane .. ':token', token, lane .. ':taken', (again == 1 and '0' or digits(#items)) .. ' ' .. digits(era))
  redis.call('ZADD', due, digits(now + lease), lane)
  if circuit.state ~= 'closed' then take_probe(lane) end
  return {lane, held[2] or '0', again, unpack(items)}
end

local function closed_for()                                                -- nil, or ms for which nothing of this target is handed out
  if pause then return pause_till > 0 and math.min(pause_till - now, legal) or legal end
  if circuit.slow > now then return circuit.slow - now end
  if circuit.state ~= 'closed' and now < circuit.till then return circuit.till - now end
end

local function grant()                                                     -- grants, and ms to wait where the whole target has to
  local want, grants = tonumber(ARGV[4]), {}
  local again = repeated()
  if again then return again end
  local shut = closed_for()
  if shut then return grants, shut end
  if circuit.state ~= 'closed' then want = math.min(want, 1) end
  local skipped = ARGV[14] ~= '' and 1 or 0                                -- the lane just settled comes last: others have waited longer
  for pass = 1, circuit.state == 'closed' and 1 or 2 do                    -- the probe goes to a lane that did not fail last, if there is one
    for turn = 1, lanes do
      local c = (turn - 1 + skipped) % lanes + 1
      if #grants >= want then return grants end
      local throttled = below_ceiling()
      if throttled then
        note_throttled(throttled)
        return grants, throttled
      end
      local failed_last = name_of(c) == circuit.last
      if circuit.state == 'closed' or (pass == 1 and not failed_last) or (pass == 2 and failed_last and not others_due(circuit.last)) then
        grants[#grants + 1] = lease_out(c)
      end
    end
  end
  return grants
end

local function upcoming(shut)                                              -- lanes to name next time, and ms for which nothing will be due
  local hints, first = {}, nil
  if ARGV[11] == '0' then return hints, shut or -1 end
  local earliest = redis.call('ZRANGEBYSCORE', due, '-inf', '(inf', 'WITHSCORES', 'LIMIT', 0, ARGV[11])
  for i = 1, #earliest, 2 do
    first = first or tonumber(earliest[2])
    if tonumber(earliest[i + 1]) <= now then hints[#hints + 1] = earliest[i] end
  end
  local frozen = redis.call('ZREVRANGEBYSCORE', due, '(inf', '(' .. digits(now + legal), 'LIMIT', 0, 1)   -- by a clock that stepped back
  if frozen[1] then table.insert(hints, 1, frozen[1]) end
  if shut then return hints, shut end
  if not first then return hints, -1 end
  return hints, (first < now or first > now + legal) and 0 or first - now
end
