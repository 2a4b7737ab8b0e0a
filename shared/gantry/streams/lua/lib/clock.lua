-- clock: the server's time in µs; the last argument overrides it, and only tests fill that.
local function clock_us()
  local given = tonumber(ARGV[#ARGV])
  if given then return given end
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end
local function digits(number) return string.format('%.0f', number) end      -- tostring would keep 14 digits
