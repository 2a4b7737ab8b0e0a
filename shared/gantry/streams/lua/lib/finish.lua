-- finish: the oldest n measures leave their lane, as published or as one letter.
local function parts_of(item) return string.match(item, '^(.-)\n(.-)\n(.-)\n(.-)\n(.-)\n(.*)$') end

local function count_up(figure, n)
  local second = math.floor(us / 1000000)
  roll(KEYS[13], 'minutes', second, figure, n)
  roll(KEYS[14], 'hours', second, figure, n)
end

local function write_receipt(lane, tries, r)
  redis.call('XADD', receipts, '*', 'v', '1', 'target', target, 'lane', lane, 'from', r.seqs[1], 'to', r.seqs[#r.seqs], 'n', digits(#r.seqs),
    'attempts', digits(tries), 't', digits(us), 't_rx', table.concat(r.times, ' '), 'ids', table.concat(r.ids, ' '), 'resent', r.resent,
    'seqs', table.concat(r.seqs, ' '), 'devs', table.concat(r.devs, '\n'), 'bodies', table.concat(r.bodies, '\n'))
end

local function publish(lane, list, n, tries)
  local entries, devices, delivered, r = {}, {}, {}, {ids = {}, times = {}, seqs = {}, devs = {}, bodies = {}, resent = '0'}
  for _, item in ipairs(redis.call('LPOP', list, n)) do
    local entry, event, dev, seq, t_rx, body = parts_of(item)
    local i = #entries + 1
    entries[i], r.ids[i], r.times[i], r.seqs[i], r.devs[i], r.bodies[i] = entry, event, t_rx, seq, dev, body
    delivered[#delivered + 1] = {item = item, t_rx = t_rx, body = body}
    devices[dev] = (devices[dev] or 0) + 1
  end
  redis.call('XACK', events, ARGV[1], unpack(entries))
  for dev, units in pairs(devices) do
    if redis.call('HINCRBY', inside, dev, -units) == 0 then redis.call('HDEL', inside, dev) end
  end
  redis.call('HINCRBY', ledger, 'published', n)
  redis.call('HINCRBY', ledger, 'published:' .. target, n)
  note_delivered(lane, delivered)
  count_up('published:' .. target, n)
  write_receipt(lane, tries, r)
end

local function bury(lane, list, tries, reason, answer)                     -- a letter keeps its place in its device's quota
  local entry, event, dev, seq, t_rx, body = parts_of(redis.call('LPOP', list))
  local letter = redis.call('XADD', dead, '*', 'v', '1', 'class', 'out', 'id', event, 'src', '', 'dev', dev, 'target', target, 'lane', lane, 'seq', seq,
    't_dev', '', 't_rx', t_rx, 'attempts', digits(tries), 'reason', reason, 'body', body, 'answer', answer)
  redis.call('XACK', events, ARGV[1], entry)
  redis.call('HINCRBY', ledger, 'dead_out', 1)
  count_up('dead', 1)
  write_outcome(KEYS[12], us, {kind = 'dead', class = 'out', id = event, dev = dev, target = target, lane = lane, seq = seq, t_rx = t_rx,
    what = code_in(body), detail = reason, letter = letter})
end

local function finish_resend(lane, outcome, tries)                         -- beside the ledger's lines: this measure was counted when it first went out
  redis.call('HDEL', state, lane .. ':resend')
  if outcome == 'refused' then redis.call('HINCRBY', ledger, 'resend_refused', 1) return end
  redis.call('HINCRBY', ledger, 'resent', 1)
  local _, item = newest_of(lane)
  local _, event, dev, seq, t_rx, body = parts_of(item)
  write_receipt(lane, tries, {ids = {event}, times = {t_rx}, seqs = {seq}, devs = {dev}, bodies = {body}, resent = '1'})
end
