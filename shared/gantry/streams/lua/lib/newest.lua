-- newest: the platform keeps what was written last, so after an older measure the newest has to be written again.
local FALLEN_BACK_US = 2 * 86400 * 1000000                                 -- nothing newer for so long, by our clock: the device's clock was set back, or lost its battery
local AHEAD_MS = 600000                                                    -- a device whose clock runs ahead by more does not set the mark for all that follows
local function instant_of(body)                                            -- TimeInstant as ms since the epoch; nil where there is none
  local y, m, d, h, mi, s, ms = string.match(body, '"TimeInstant":"(%d%d%d%d)%-(%d%d)%-(%d%d)T(%d%d):(%d%d):(%d%d)%.(%d%d%d)Z"')
  if not y then return nil end
  y, m = tonumber(y), tonumber(m)
  if m <= 2 then y = y - 1 end
  local era = math.floor(y / 400)
  local year = y - era * 400
  local day = math.floor((153 * (m + (m > 2 and -3 or 9)) + 2) / 5) + d - 1
  local days = era * 146097 + year * 365 + math.floor(year / 4) - math.floor(year / 100) + day - 719468
  return ((days * 24 + h) * 60 + mi) * 60000 + s * 1000 + ms
end
local function newest_of(lane)                                             -- instant, item; nil before the first receipt
  local kept = redis.call('HGET', state, lane .. ':newest')
  if not kept then return nil end
  local instant, item = string.match(kept, '^(%-?%d+)\n(.*)$')
  return tonumber(instant), item
end
local function received_at(item) return tonumber(string.match(item, '^.-\n.-\n.-\n.-\n(.-)\n')) end
local function note_delivered(lane, delivered)                             -- delivered: {item, t_rx, body} each, in the order in which they went out
  local newest, item = newest_of(lane)
  local late, moved
  for _, each in ipairs(delivered) do
    local instant = instant_of(each.body)
    if instant and instant <= tonumber(each.t_rx) / 1000 + AHEAD_MS then
      late = newest and instant < newest and each.t_rx - received_at(item) <= FALLEN_BACK_US
      if not late then newest, item, moved = instant, each.item, true end
    end
  end
  if late then redis.call('HSET', state, lane .. ':resend', '1')
  elseif moved then redis.call('HDEL', state, lane .. ':resend') end
  if moved then redis.call('HSET', state, lane .. ':newest', digits(newest) .. '\n' .. item) end
end
