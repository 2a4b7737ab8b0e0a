-- account: the password of one account is set, or taken away, unless somebody else changed it meanwhile.
-- KEYS 1 accounts
-- ARGV 1 account  2 what stands there ('': nothing)  3 what shall ('': nothing)
-- Returns what stands there now. A repetition finds its own value there and changes nothing.
local accounts, name = KEYS[1], ARGV[1]
redis.call('HDEL', accounts, '')                                           -- never refused
local before = redis.call('HGET', accounts, name) or ''
if before ~= ARGV[2] then return before end
if ARGV[3] == '' then redis.call('HDEL', accounts, name) else redis.call('HSET', accounts, name, ARGV[3]) end
return ARGV[3]
