-- read: the active processor's next batch; what is pending (a crash, a lost reply, a predecessor) comes before anything new.
-- KEYS 1 raw stream  2 lease hash of the processor
-- ARGV 1 group  2 consumer  3 lease token  4 count
-- Returns 'FENCED', or the entries.
if redis.call('HGET', KEYS[2], 'token') ~= ARGV[3] then return 'FENCED' end
for _, from in ipairs({'0', '>'}) do
  local reply = redis.call('XREADGROUP', 'GROUP', ARGV[1], ARGV[2], 'COUNT', ARGV[4], 'STREAMS', KEYS[1], from)
  if reply and #reply[1][2] > 0 then return reply[1][2] end
end
return {}
