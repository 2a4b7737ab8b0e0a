-- seen: when each device was last heard of, how many units it ever gave, and the lanes that it fed.
local MOST_DEVICES, MOST_LANES = 20000, 16                                 -- a counter without a token may call itself anything
local heard = {}
local function one_line(text) return (string.gsub(text, '%c', ' ')) end
local function note_seen(dev, t_rx, src, what)
  local h = heard[dev] or {units = 0, t_rx = '0', src = '', what = '', lanes = {}}
  h.units = h.units + 1
  if tonumber(t_rx) >= tonumber(h.t_rx) then h.t_rx, h.src, h.what = t_rx, one_line(src), one_line(what) end
  heard[dev] = h
end
local function note_lane(dev, lane) table.insert(heard[dev].lanes, 1, lane) end
local function merge_lanes(fresh, known)
  local lanes, there = {}, {}
  local function take(lane)
    if not there[lane] and #lanes < MOST_LANES then there[lane], lanes[#lanes + 1] = true, lane end
  end
  for _, lane in ipairs(fresh) do take(lane) end
  for lane in string.gmatch(known, '%S+') do take(lane) end
  return table.concat(lanes, ' ')
end
local function write_seen(key)
  for dev, h in pairs(heard) do
    local before = redis.call('HGET', key, dev)
    local t_rx, units, src, what, lanes = string.match(before or '', '^(%d+)\n(%d+)\n(.-)\n(.-)\n(.*)$')
    if t_rx and tonumber(t_rx) > tonumber(h.t_rx) then h.t_rx, h.src, h.what = t_rx, src, what end
    if before or redis.call('HLEN', key) < MOST_DEVICES then
      redis.call('HSET', key, dev, table.concat({h.t_rx, digits((tonumber(units) or 0) + h.units), h.src, h.what, merge_lanes(h.lanes, lanes or '')}, '\n'))
    end
  end
end
