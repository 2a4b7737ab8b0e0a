-- memory: whether used_memory stands at or above `percent` of maxmemory (the ladder of ARCHITECTURE.md); '0' switches the question off.
local function memory_max() return tonumber(string.match(redis.call('INFO', 'memory'), 'maxmemory:(%d+)') or '0') end
local function memory_over(percent)
  if percent == '0' then return false end
  local info = redis.call('INFO', 'memory')
  local max = tonumber(string.match(info, 'maxmemory:(%d+)') or '0')
  return max > 0 and tonumber(string.match(info, 'used_memory:(%d+)')) >= max * percent / 100
end
