-- append: units of one producer enter Gantry. Order is kept and nothing enters twice; what memory or a quota forbids is answered so.
-- KEYS 1 raw stream  2 ledger hash  3 inside hash: how many units each device holds  4 producer hash: each device's newest number
--      5 rollup of minutes  6 of hours
-- ARGV 1 device quota  2 ladder percent (0 off)  3 source  4 producer's ttl in s (0 keeps it)
--      behind them seven words per entry: dev seq id t_dev t_rx enc body
-- Returns a code per entry: 1 entered, 0 had entered before, -1 its device has used up the quota, -2 memory is short.
--      Once a device is refused, the rest of it is refused too (neither room nor quota grows within the call): a greater number in raw
--      would make the refused one look like a repetition. The caller offers the refused ones first.
--@include memory
--@include clock
--@include rollup
local raw, ledger, inside, producer = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local quota, full = tonumber(ARGV[1]), memory_over(ARGV[2])
local answers, last, held, added, taken = {}, {}, {}, {}, 0
for i = 5, #ARGV, 7 do
  local dev, seq = ARGV[i], tonumber(ARGV[i + 1])
  if not last[dev] then
    last[dev] = tonumber(redis.call('HGET', producer, dev) or '0')
    held[dev] = tonumber(redis.call('HGET', inside, dev) or '0')
    added[dev] = 0
  end
  local answer = 1
  if seq <= last[dev] then answer = 0
  elseif full then answer = -2
  elseif held[dev] + added[dev] >= quota then answer = -1 end
  if answer == 1 then
    redis.call('XADD', raw, '*', 'v', '1', 'id', ARGV[i + 2], 'src', ARGV[3], 'dev', dev, 'seq', ARGV[i + 1],
      't_dev', ARGV[i + 3], 't_rx', ARGV[i + 4], 'enc', ARGV[i + 5], 'body', ARGV[i + 6])
    last[dev] = seq
    added[dev] = added[dev] + 1
    taken = taken + 1
  end
  answers[#answers + 1] = answer
end
for dev, count in pairs(added) do
  if count > 0 then
    redis.call('HINCRBY', inside, dev, count)
    redis.call('HSET', producer, dev, string.format('%.0f', last[dev]))
  end
end
if taken > 0 then
  redis.call('HINCRBY', ledger, 'received', taken)
  local second = tonumber(redis.call('TIME')[1])                            -- the last argument is a body, never a test's clock
  roll(KEYS[5], 'minutes', second, 'received', taken)
  roll(KEYS[6], 'hours', second, 'received', taken)
  if ARGV[4] ~= '0' then redis.call('EXPIRE', producer, ARGV[4]) end
end
return answers
