-- grant: breaker, rate limit and lease in one step. Only a lane that is really handed out uses up tokens or the probe.
local lanes, wait_ms = (#KEYS - 8) / 2, -1
local period, burst, by_request = tonumber(ARGV[7]), tonumber(ARGV[8]), ARGV[9] == 'requests'

local function repeated()                                                  -- our reply was lost: the same lane again, and alone
  for c = 1, lanes do
    local lane = ARGV[FIRST + c]
    local held = redis.call('HMGET', state, lane .. ':token', lane .. ':taken', lane .. ':attempts')
    if held[1] == token then return {{lane, held[3] or '0', unpack(redis.call('LRANGE', KEYS[7 + 2 * c], 0, held[2] - 1))}} end
  end
end

local function lease_out(c)                                                -- nil: not due, or its rate does not allow it yet
  local lane, list, limit = ARGV[FIRST + c], KEYS[7 + 2 * c], KEYS[8 + 2 * c]
  local score = tonumber(redis.call('ZSCORE', due, lane) or 'inf')
  if score == math.huge or (score > now and score <= now + legal) then return end
  local arrival = tonumber(redis.call('GET', limit) or '0')                -- GCRA: theoretical arrival time
  if arrival < us or arrival > us + (burst + 1) * period then arrival = us end   -- also forgives a clock that stepped back
  local tokens = math.floor((us + burst * period - arrival) / period)
  if tokens < 1 then
    redis.call('ZADD', due, digits(now + math.ceil((arrival + period - us - burst * period) / 1000)), lane)
    redis.call('HINCRBY', ledger, 'delayed', 1)
    return
  end
  local held = redis.call('HMGET', state, lane .. ':batch', lane .. ':attempts')
  local room = math.min(batch_max, tonumber(held[1] or ARGV[6]))
  local items = redis.call('LRANGE', list, 0, (by_request and room or math.min(tokens, room)) - 1)
  if #items == 0 then                                                      -- nothing lies there: somebody wrote into due by hand
    redis.call('ZREM', due, lane)
    return
  end
  arrival = arrival + (by_request and 1 or #items) * period
  redis.call('SET', limit, digits(arrival), 'PX', digits((arrival - us) / 1000 + 1000))
  redis.call('HSET', state, lane .. ':token', token, lane .. ':taken', digits(#items))
  redis.call('ZADD', due, digits(now + lease), lane)
  if circuit.state ~= 'closed' then                                        -- this is the one probe; a prober that dies leaves `until`
    redis.call('HSET', breaker, 'state', 'half', 'until', digits(now + lease), 'probe', token .. ' ' .. lane)
    circuit.state, circuit.till = 'half', now + lease
  end
  return {lane, held[2] or '0', unpack(items)}
end

local function grant()
  local again = repeated()
  if again then return again end
  local want, grants = tonumber(ARGV[4]), {}
  if circuit.state ~= 'closed' then
    if now < circuit.till then
      wait_ms = circuit.till - now
      return grants
    end
    want = math.min(want, 1)
  end
  local skipped = ARGV[14] ~= '' and 1 or 0                                -- the lane just settled comes last: others have waited longer
  for pass = 1, circuit.state == 'closed' and 1 or 2 do                    -- the probe goes to a lane that did not fail last, if there is one
    for turn = 1, lanes do
      local c = (turn - 1 + skipped) % lanes + 1
      if #grants >= want then return grants end
      if circuit.state == 'closed' or (ARGV[FIRST + c] == circuit.last) == (pass == 2) then grants[#grants + 1] = lease_out(c) end
    end
  end
  return grants
end

local function upcoming()                                                  -- lanes to name next time, and how long nothing will be due
  local count = ARGV[13]
  local hints = redis.call('ZRANGEBYSCORE', due, '-inf', digits(now), 'LIMIT', 0, count)
  local frozen = redis.call('ZRANGEBYSCORE', due, '(' .. digits(now + legal), '(inf', 'LIMIT', 0, 1)   -- by a clock that stepped back
  if frozen[1] then table.insert(hints, 1, frozen[1]) end
  if wait_ms >= 0 then return hints, wait_ms end
  local first = redis.call('ZRANGEBYSCORE', due, '-inf', '(inf', 'WITHSCORES', 'LIMIT', 0, 1)
  if not first[2] then return hints, -1 end
  local ahead = tonumber(first[2]) - now
  return hints, (ahead < 0 or ahead > legal) and 0 or ahead
end
