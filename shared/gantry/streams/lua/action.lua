-- action: one line in the list of what people did, on a full server too.
-- KEYS 1 actions
-- ARGV 1 lines kept, about  2 field  3 value  ...; last: test clock
-- Returns the entry id. A repetition writes a second line, so callers make one attempt.
--@include clock
local fields = {'t', digits(math.floor(clock_us() / 1000))}
for i = 2, #ARGV - 1 do fields[#fields + 1] = ARGV[i] end
redis.call('XTRIM', KEYS[1], 'MAXLEN', '~', ARGV[1])                       -- never refused
return redis.call('XADD', KEYS[1], '*', 'v', '1', unpack(fields))
