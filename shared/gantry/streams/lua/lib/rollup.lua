-- rollup: how many, by minutes (kept 2 days) and hours (91 days); families also by seconds (10 minutes). Needs `digits` of clock.
local WIDTH = {seconds = 1, minutes = 60, hours = 3600}
local KEPT = {seconds = 600, minutes = 2 * 86400, hours = 91 * 86400}
local SWEEP_AFTER = {seconds = 120, minutes = 3600, hours = 86400}
local function roll(key, period, second, figure, n)
  redis.call('HINCRBY', key, digits(second - second % WIDTH[period]) .. ':' .. figure, n)
end
local function sweep_rollup(key, period, second)                           -- rarely, and then all at once: some 40,000 short fields at most
  local swept = tonumber(redis.call('HGET', key, 'swept') or '0')
  if second >= swept and second < swept + SWEEP_AFTER[period] then return end
  redis.call('HSET', key, 'swept', digits(second))
  local old = {}
  for _, field in ipairs(redis.call('HKEYS', key)) do
    local bucket = tonumber(string.match(field, '^(%d+):') or nil)
    if bucket and (bucket < second - KEPT[period] or bucket > second + 86400) then old[#old + 1] = field end   -- ahead: by a clock that stepped back
  end
  for i = 1, #old, 1000 do redis.call('HDEL', key, unpack(old, i, math.min(i + 999, #old))) end
end
