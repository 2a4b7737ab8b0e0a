-- outcome: the end of a unit that gets no receipt, or a person's decision about a letter, for the journal and the dashboard.
local function code_in(body) return string.match(body, '"event":"([^"\\%c]*)"') or '' end   -- of a measure as it is sent
local function write_outcome(stream, us, o)
  redis.call('XADD', stream, '*', 'v', '1', 'kind', o.kind, 'class', o.class or '', 'id', o.id, 'src', o.src or '', 'dev', o.dev,
    'target', o.target or '', 'lane', o.lane or '', 'seq', o.seq or '', 't_dev', o.t_dev or '', 't_rx', o.t_rx, 't', digits(us),
    'what', o.what or '', 'detail', o.detail or '', 'letter', o.letter or '')
end
