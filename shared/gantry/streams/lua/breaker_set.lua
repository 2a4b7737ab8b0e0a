-- breaker_set: a person opens a target's breaker, or closes it. The probe is forgotten, so that a late answer to it changes nothing.
-- KEYS 1 breaker
-- ARGV 1 open|reset  2 open for ms  3 reason; last: test clock
-- Returns the state before. Opening one that is not closed makes no new trip, so that a repeat counts once.
--@include clock
local breaker = KEYS[1]
local now = math.floor(clock_us() / 1000)
redis.call('HDEL', breaker, '')                                            -- never refused: from here on a full server cannot say OOM
local state = redis.call('HGET', breaker, 'state') or 'closed'
redis.call('HSET', breaker, 'probe', '', 'failures', '0', 'first', '', 'mixed', '')
if ARGV[1] == 'open' then
  if state == 'closed' then                                                -- a probe that fails afterwards belongs to this trip
    redis.call('HINCRBY', breaker, 'trips', 1)
    redis.call('HSET', breaker, 'since', digits(now), 'streak', '1')
  end
  redis.call('HSET', breaker, 'state', 'open', 'until', digits(now + tonumber(ARGV[2])), 'reason', ARGV[3])
else
  if state ~= 'closed' then redis.call('HSET', breaker, 'since', digits(now)) end
  redis.call('HSET', breaker, 'state', 'closed', 'until', '0', 'streak', '0', 'slow', '0')
end
return state
