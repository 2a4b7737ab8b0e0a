-- alive: a running process says that it lives, on a full server too.
-- KEYS 1 alive hash
-- ARGV 1 ttl ms, then field value ...
-- Returns whether its settings stand there, which are said once.
redis.call('HDEL', KEYS[1], '')                                            -- never refused
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return redis.call('HEXISTS', KEYS[1], 'settings')
