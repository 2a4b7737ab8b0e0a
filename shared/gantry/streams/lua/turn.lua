-- turn: settle the lane just posted (if any), then grant the next work among the candidate lanes of one target.
-- A repeated call with the same new token gets the same grant, and no other beside it.
-- KEYS 1 events  2 due  3 lane-state  4 breaker  5 ledger  6 dead  7 receipts  8 inside, then per candidate (the settled lane first): list, limit
-- ARGV 1 group  2 target  3 new token  4 lanes wanted  5 lease ms  6 batch max  7 period µs  8 burst  9 limit counts (measures|requests)
--      10 open after  11 cooldown ms  12 longest legal delay ms  13 hints wanted
--      14 token to settle ('' none)  15 delivered|transient|refused  16 measures posted  17 delay ms  18 reason
--      19.. lane names; last: test clock
-- Returns {settled|again|stale|'', grants {lane, attempts, item...}, hints {lane...}, ms until something may be due (-1 nothing), breaker state, lane's attempts}
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
local settled, attempts = settle()
local grants = grant()
local hints, wait = upcoming()
return {settled, grants, hints, wait, circuit.state, attempts}
