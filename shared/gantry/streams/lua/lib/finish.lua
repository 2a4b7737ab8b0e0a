-- finish: the oldest n measures leave their lane, as published or as one letter.
local function parts_of(item) return string.match(item, '^(.-)\n(.-)\n(.-)\n(.-)\n(.-)\n(.*)$') end

local function write_receipt(lane, first, last, n, tries, times, ids, resent)
  redis.call('XADD', receipts, '*', 'v', '1', 'target', target, 'lane', lane, 'from', first, 'to', last, 'n', digits(n), 'attempts', digits(tries),
    't', digits(us), 't_rx', table.concat(times, ' '), 'ids', table.concat(ids, ' '), 'resent', resent)
end

local function publish(lane, list, n, tries)
  local entries, devices, ids, times, delivered, first, last = {}, {}, {}, {}, {}, nil, nil
  for _, item in ipairs(redis.call('LPOP', list, n)) do
    local entry, event, dev, seq, t_rx, body = parts_of(item)
    entries[#entries + 1], ids[#ids + 1], times[#times + 1] = entry, event, t_rx
    delivered[#delivered + 1] = {item = item, t_rx = t_rx, body = body}
    devices[dev] = (devices[dev] or 0) + 1
    first, last = first or seq, seq
  end
  redis.call('XACK', events, ARGV[1], unpack(entries))
  for dev, units in pairs(devices) do
    if redis.call('HINCRBY', inside, dev, -units) == 0 then redis.call('HDEL', inside, dev) end
  end
  redis.call('HINCRBY', ledger, 'published', n)
  redis.call('HINCRBY', ledger, 'published:' .. target, n)
  note_delivered(lane, delivered)
  write_receipt(lane, first, last, n, tries, times, ids, '0')
end

local function bury(lane, list, tries, reason, answer)                     -- a letter keeps its place in its device's quota
  local entry, event, dev, seq, t_rx, body = parts_of(redis.call('LPOP', list))
  redis.call('XADD', dead, '*', 'v', '1', 'class', 'out', 'id', event, 'src', '', 'dev', dev, 'target', target, 'lane', lane, 'seq', seq,
    't_dev', '', 't_rx', t_rx, 'attempts', digits(tries), 'reason', reason, 'body', body, 'answer', answer)
  redis.call('XACK', events, ARGV[1], entry)
  redis.call('HINCRBY', ledger, 'dead_out', 1)
end

local function finish_resend(lane, outcome, tries)                         -- beside the ledger's lines: this measure was counted when it first went out
  redis.call('HDEL', state, lane .. ':resend')
  if outcome == 'refused' then redis.call('HINCRBY', ledger, 'resend_refused', 1) return end
  redis.call('HINCRBY', ledger, 'resent', 1)
  local _, item = newest_of(lane)
  local _, event, _, seq, t_rx = parts_of(item)
  write_receipt(lane, seq, seq, 1, tries, {t_rx}, {event}, '1')
end
