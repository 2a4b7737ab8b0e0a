-- turn: one slot's whole conversation with Redis: book what came of its request, and get its next one. Serves one target.
-- The slot makes the new lease's token; repeating the call with it gives the same lane again, and never a second one.
-- KEYS 1 events  2 due  3 lane-state  4 breaker  5 ledger  6 dead  7 receipts  8 inside
--      then two per lane named: list, limit; first the lane to settle, if any
-- ARGV 1 group  2 target  3 new token  4 grants wanted  5 lease ms  6 batch max  7 period µs  8 burst  9 limit counts (measures|requests)
--      10 open after  11 cooldown ms  12 longest legal delay ms  13 hints wanted
--      14 token to settle (or '')  15 delivered|transient|deferred|refused  16 measures posted  17 delay ms  18 reason
--      19.. names of the lanes, as in KEYS; last: test clock
-- Returns {settled|again|stale|'', grants {lane, attempts, item...}, hints {lane...}, ms to the next due lane (-1: none), breaker's state, its reason, server's µs}
--@include clock
local events, due, state, breaker, ledger, dead, receipts, inside = unpack(KEYS)
local FIRST = 18                                                           -- candidate c: name ARGV[FIRST+c], list KEYS[7+2c], limit KEYS[8+2c]
local target, token, lease, batch_max, legal = ARGV[2], ARGV[3], tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[12])
local us = clock_us()
local now = math.floor(us / 1000)
redis.call('ZREM', due, '')                                                -- never refused: from here on a full server cannot say OOM
--@include breaker
--@include settle
--@include grant
local settled = settle()
local grants = grant()
local hints, wait = upcoming()
return {settled, grants, hints, wait, circuit.state, circuit.reason, digits(us)}
