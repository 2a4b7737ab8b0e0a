-- limit: GCRA. A key holds the theoretical arrival time, µs: how far the future is used up.
local function arrival_at(key, period, burst)                              -- one further ahead than any grant makes it came from a clock that stepped back
  local arrival = tonumber(redis.call('GET', key) or '0')
  if arrival < us or arrival > us + (burst + 1) * period then return us end
  return arrival
end
local function tokens_of(arrival, period, burst) return math.floor((us + burst * period - arrival) / period) end
local function free_in(arrival, period, burst) return math.ceil((arrival + period - us - burst * period) / 1000) end   -- ms to the next token
local function keep(key, arrival)
  if arrival <= us then redis.call('DEL', key)
  else redis.call('SET', key, digits(arrival), 'PX', digits((arrival - us) / 1000 + 1000)) end
end

local ceiling_period, ceiling_burst = tonumber(ARGV[12]), tonumber(ARGV[13])
local function below_ceiling()                                             -- nil, or ms until the target's own limit allows one more request
  if ceiling_period == 0 then return nil end
  local arrival = arrival_at(ceiling, ceiling_period, ceiling_burst)
  if tokens_of(arrival, ceiling_period, ceiling_burst) >= 1 then return nil end
  return free_in(arrival, ceiling_period, ceiling_burst)
end
local function use_ceiling(requests)
  if ceiling_period > 0 then keep(ceiling, arrival_at(ceiling, ceiling_period, ceiling_burst) + requests * ceiling_period) end
end
local function note_throttled(wait)                                        -- time, not occasions: everybody asks
  local counted = tonumber(redis.call('HGET', breaker, 'throttled') or '0')
  if counted > now + legal then counted = now end
  if now + wait > counted then
    redis.call('HINCRBY', ledger, 'throttled_ms:' .. target, digits(now + wait - math.max(now, counted)))
    redis.call('HSET', breaker, 'throttled', digits(now + wait))
  end
end
