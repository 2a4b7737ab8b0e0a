-- turn: one slot's whole conversation with Redis: book what came of its request, and get its next one. Serves one target.
-- The slot makes the new leases' token; repeating the call with it gives the same lanes again, and never others.
-- KEYS 1 events  2 due  3 lane-state  4 breaker  5 ledger  6 dead  7 receipts  8 inside  9 paused  10 holds  11 ceiling
--      12 outcomes  13 rollup of minutes  14 of hours
--      then two per lane named: list, limit; first the lane to settle, if any
-- ARGV 1 group  2 target  3 new token  4 grants wanted  5 lease ms  6 batch max  7 limit counts (measures|requests)
--      8 open after  9 cooldown ms  10 longest legal delay ms  11 hints wanted  12 ceiling: µs a request (0 none)  13 ceiling's burst
--      14 token to settle (or '')  15 delivered|retry|slow|shrink|refused|hold|open|returned  16 measures posted  17 delay ms
--      18 speaks of the target (0 no|1 yes|2 only with other lanes)  19 reason  20 answer, redacted
--      21.. three per lane, as in KEYS: name, period µs, burst; last: test clock
-- Returns {settled|again|stale|'', grants {lane, attempts, sent again (1|0), item...}, hints {lane...}, ms to the next due lane (-1: none, or no hints wanted),
--          breaker's state, its reason, paused (1|0), server's µs}
--@include clock
local events, due, state, breaker, ledger, dead, receipts, inside, paused, holds, ceiling = unpack(KEYS, 1, 11)
local target, token, lease, batch_max, by_request = ARGV[2], ARGV[3], tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7] == 'requests'
local legal = tonumber(ARGV[10])
local lanes = (#KEYS - 14) / 2
local function name_of(c) return ARGV[18 + 3 * c] end                      -- candidate c, from 1
local function list_of(c) return KEYS[13 + 2 * c] end
local us = clock_us()
local now = math.floor(us / 1000)
redis.call('ZREM', due, '')                                                -- never refused: from here on a full server cannot say OOM
--@include breaker
--@include limit
--@include newest
--@include rollup
--@include outcome
--@include finish
--@include settle
--@include grant
local settled = settle()
local grants, wait = grant()
local hints
hints, wait = upcoming(wait)
return {settled, grants, hints, wait, circuit.state, circuit.reason, is_paused() and 1 or 0, digits(us)}
