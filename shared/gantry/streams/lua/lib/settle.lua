-- settle: an answer is booked only while its token is the lane's lease. The token of the last booking stays, which tells a repeat from an answer that came too late.
local function finish(lane, list, outcome, n, tries, reason)               -- the oldest n measures leave the lane, as published or as one dead letter
  local ids, devices, events_of, times, first, last = {}, {}, {}, {}, nil, nil
  for _, item in ipairs(redis.call('LPOP', list, n)) do
    local id, event, dev, seq, t_rx, body = string.match(item, '^(.-)\n(.-)\n(.-)\n(.-)\n(.-)\n(.*)$')
    ids[#ids + 1], events_of[#events_of + 1], times[#times + 1] = id, event, t_rx
    devices[dev] = (devices[dev] or 0) + 1
    first, last = first or seq, seq
    if outcome == 'refused' then
      redis.call('XADD', dead, '*', 'v', '1', 'class', 'out', 'id', event, 'src', '', 'dev', dev, 'target', target, 'lane', lane, 'seq', seq,
        't_dev', '', 't_rx', t_rx, 'attempts', digits(tries), 'reason', reason, 'body', body)
    end
  end
  redis.call('XACK', events, ARGV[1], unpack(ids))
  if outcome == 'refused' then redis.call('HINCRBY', ledger, 'dead_out', n) return end
  for dev, units in pairs(devices) do
    if redis.call('HINCRBY', inside, dev, -units) == 0 then redis.call('HDEL', inside, dev) end
  end
  redis.call('HINCRBY', ledger, 'published', n)
  redis.call('HINCRBY', ledger, 'published:' .. target, n)
  redis.call('XADD', receipts, '*', 'v', '1', 'target', target, 'lane', lane, 'from', first, 'to', last, 'n', digits(n), 'attempts', digits(tries),
    't', digits(us), 't_rx', table.concat(times, ' '), 'ids', table.concat(events_of, ' '))
end

local function settle()
  local old, outcome, n, reason = ARGV[14], ARGV[15], tonumber(ARGV[16]), ARGV[18]
  if old == '' then return '' end
  local lane, list = ARGV[FIRST + 1], KEYS[9]
  local held = redis.call('HMGET', state, lane .. ':token', lane .. ':done', lane .. ':attempts', lane .. ':batch')
  if held[1] ~= old then return held[2] == old and 'again' or 'stale' end
  local tries, batch, at = tonumber(held[3] or '0') + 1, tonumber(held[4] or ARGV[6]), now
  local was_probe = circuit.probe == old .. ' ' .. lane
  local speaks = circuit.state == 'closed' or was_probe                    -- late answers of an earlier era move nothing
  if outcome == 'transient' or outcome == 'deferred' then
    at = now + tonumber(ARGV[17])
    if speaks and outcome == 'transient' then count_failure(lane, reason, was_probe)
    elseif speaks then close_circuit() end
  else
    if outcome == 'delivered' or n == 1 then finish(lane, list, outcome, n, tries, reason) end
    if outcome == 'delivered' then batch = math.min(batch_max, batch * 2)
    elseif n > 1 then batch = math.floor(n / 2) end                        -- a bisect is state of the lane
    tries = 0
    if speaks then close_circuit() end
  end
  redis.call('HDEL', state, lane .. ':token', lane .. ':taken')
  redis.call('HSET', state, lane .. ':done', old, lane .. ':attempts', digits(tries), lane .. ':batch', digits(batch), lane .. ':reason', reason)
  if redis.call('EXISTS', list) == 0 then redis.call('ZREM', due, lane) else redis.call('ZADD', due, digits(at), lane) end
  return 'settled'
end
