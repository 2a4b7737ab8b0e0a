-- pause: a person stops a whole target, or lets it go on. Granting reads it; what is in flight is settled as ever.
-- KEYS 1 paused
-- ARGV 1 pause|resume  2 target  3 for ms (0: until resumed)  4 owner  5 reason; last: test clock
-- Returns the pause that was in force before, as it stood; '' when there was none. Pausing again replaces.
--@include clock
local paused, target = KEYS[1], ARGV[2]
local now = math.floor(clock_us() / 1000)
redis.call('HDEL', paused, '')                                             -- never refused: from here on a full server cannot say OOM
local before = redis.call('HGET', paused, target) or ''
local till = tonumber(string.match(before, '^(%d+)\n') or '0')
if till > 0 and till <= now then before = '' end                           -- it has run out by itself
if ARGV[1] == 'resume' then
  redis.call('HDEL', paused, target)
  return before
end
local ms = tonumber(ARGV[3])
redis.call('HSET', paused, target, table.concat({digits(ms > 0 and now + ms or 0), digits(now), ARGV[4], ARGV[5]}, '\n'))
return before
