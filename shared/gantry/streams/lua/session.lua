-- session: a browser logs in, or is told something once, on a full server too.
-- KEYS 1 session
-- ARGV 1 open  2 ms that it lives unused  3 ms that it lives at most  4 field  5 value  ...; last: test clock
--      1 say   2 text
-- Returns 1; 0 where there is no such session to say something to. A repetition does the same again.
--@include clock
local session = KEYS[1]
redis.call('HDEL', session, '')                                            -- never refused
if ARGV[1] == 'say' then
  if redis.call('EXISTS', session) == 0 then return 0 end
  redis.call('HSET', session, 'said', ARGV[2])
  return 1
end
local ends = math.floor(clock_us() / 1000) + tonumber(ARGV[3])
redis.call('HSET', session, 'ends', digits(ends), unpack(ARGV, 4, #ARGV - 1))
redis.call('PEXPIRE', session, math.min(tonumber(ARGV[2]), tonumber(ARGV[3])))
return 1
