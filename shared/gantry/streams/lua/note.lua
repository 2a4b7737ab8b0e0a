-- note: write an absolute figure beside the ledger (spooled, lost); saying it again changes nothing.
-- KEYS 1 ledger hash
-- ARGV field value ...
redis.call('HDEL', KEYS[1], '')                                            -- never refused
return redis.call('HSET', KEYS[1], unpack(ARGV))
