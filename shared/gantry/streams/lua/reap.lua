-- reap: strike a publisher off the group's list once its alive key is gone. It holds no entries, so none can be lost with it.
-- KEYS 1 events stream  2 alive hash of that publisher
-- ARGV 1 group  2 consumer
-- Returns 1 struck off, 0 alive or holding entries
if redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
for _, row in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local consumer = {}
  for i = 1, #row, 2 do consumer[row[i]] = row[i + 1] end
  if consumer.name == ARGV[2] and consumer.pending == 0 then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
    return 1
  end
end
return 0
