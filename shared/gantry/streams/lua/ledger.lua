-- ledger: the counters, with in_raw and waiting read from the streams at the same instant. Reads only.
-- KEYS 1 raw stream  2 events stream  3 ledger hash
-- ARGV 1 publisher's group
-- Returns {name, value, ...}
--@include group
local publisher = group_of(KEYS[2], ARGV[1])
local reply = {'in_raw', redis.call('XLEN', KEYS[1]), 'pending', pending_of(publisher), 'lag', lag_of(KEYS[2], publisher)}
for _, value in ipairs(redis.call('HGETALL', KEYS[3])) do reply[#reply + 1] = value end
return reply
