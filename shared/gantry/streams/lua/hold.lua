-- hold: a person stops one lane, or lets it go (also one that the platform stopped).
-- KEYS 1 holds  2 due  3 lane-state  4 the lane's list
-- ARGV 1 hold|release  2 lane  3 owner  4 reason  5 release only what this one holds: operator|platform|'' (either); last: test clock
-- Returns {the hold before, or '', 1 when it was held or stood still without a hold, 1 while a request is under way, measures that wait}
--@include clock
local holds, due, state, list = unpack(KEYS)
local verb, lane, only = ARGV[1], ARGV[2], ARGV[5]
local now = math.floor(clock_us() / 1000)
redis.call('ZREM', due, '')                                                -- never refused: from here on a full server cannot say OOM
local before = redis.call('HGET', holds, lane) or ''
local score = tonumber(redis.call('ZSCORE', due, lane) or nil)
local still, token = score == math.huge, redis.call('HEXISTS', state, lane .. ':token') == 1
local under_way = token and score and not still and score > now            -- its due time is a lease, which settle ends
local waiting = redis.call('LLEN', list)
local was = (before ~= '' or still) and 1 or 0
if verb == 'hold' then
  redis.call('HSET', holds, lane, table.concat({'operator', digits(now), ARGV[3], ARGV[4]}, '\n'))
  if not under_way then redis.call('ZADD', due, '+inf', lane) end          -- an empty lane too: what comes stays behind it
elseif was == 1 and (only == '' or string.match(before, '^%l+') == only) then
  redis.call('HDEL', holds, lane)
  if still or not token then
    if waiting > 0 or redis.call('HEXISTS', state, lane .. ':resend') == 1 then redis.call('ZADD', due, digits(now), lane)
    else redis.call('ZREM', due, lane) end
  end
else was = 0 end
return {before, was, under_way and 1 or 0, waiting}
