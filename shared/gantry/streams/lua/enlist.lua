-- enlist: a living publisher on the group's list, so that XINFO CONSUMERS shows it. It never holds entries.
-- KEYS 1 events stream
-- ARGV 1 group  2 consumer
redis.call('XACK', KEYS[1], ARGV[1], '0-0')                                -- never refused: a full server must not keep publishers from starting
return redis.call('XGROUP', 'CREATECONSUMER', KEYS[1], ARGV[1], ARGV[2])
