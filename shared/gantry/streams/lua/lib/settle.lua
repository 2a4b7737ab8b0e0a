-- settle: an answer is booked only while its token is the lane's lease. The token of the last booking stays, which tells a repeat from an answer that came too late.
local function hold_of(lane) return redis.call('HGET', holds, lane) end
local function held_by_operator(hold) return hold and string.sub(hold, 1, 9) == 'operator\n' end

local function give_up_lease(lane, list, token_done, at)                   -- back among the due, or away where nothing is left
  redis.call('HDEL', state, lane .. ':token', lane .. ':taken')
  redis.call('HSET', state, lane .. ':done', token_done)
  if held_by_operator(hold_of(lane)) then redis.call('ZADD', due, '+inf', lane)
  elseif redis.call('EXISTS', list) == 1 or redis.call('HEXISTS', state, lane .. ':resend') == 1 then redis.call('ZADD', due, digits(at), lane)
  else redis.call('ZREM', due, lane) end
end

local function refund(tokens)                                              -- to the lane that is settled
  local period, burst = tonumber(ARGV[22]), tonumber(ARGV[23])
  keep(KEYS[16], arrival_at(KEYS[16], period, burst) - tokens * period)
end

local function hand_back(lane, taken)                                      -- never sent: no attempt, and its tokens come back
  refund(by_request and 1 or math.max(1, tonumber(taken)))
  use_ceiling(-1)
  if circuit.probe == ARGV[14] .. ' ' .. lane then hand_back_probe() end
end

local function judge_breaker(lane, era, outcome, reason)                   -- late answers of an earlier era move nothing
  local probe = circuit.probe == ARGV[14] .. ' ' .. lane
  if not probe and (circuit.state ~= 'closed' or era ~= digits(circuit.trips)) then return end
  local judged = outcome == 'delivered' or outcome == 'hold' or (outcome == 'refused' and ARGV[18] == '0')   -- refused for want of an explanation judges nothing
  local opens = outcome == 'open' and redis.call('HSETNX', state, lane .. ':opened', '1') == 1
  if judged then
    close_circuit()
    redis.call('HDEL', state, lane .. ':opened')
  elseif opens or probe then open_circuit(lane, reason)                    -- once: if it closed since without this lane's help, the trouble is the lane's own
  elseif ARGV[18] ~= '0' then count_failure(lane, reason) end
end

local function mark_hold(lane, outcome, reason)                            -- the platform's own holds end with its next judgement; an operator's does not
  local hold = hold_of(lane)
  if outcome == 'hold' and not hold then redis.call('HSET', holds, lane, 'platform\n' .. digits(now) .. '\n\n' .. reason)
  elseif (outcome == 'delivered' or outcome == 'refused') and hold and not held_by_operator(hold) then redis.call('HDEL', holds, lane) end
end

local function settle()
  local old, outcome, n, reason = ARGV[14], ARGV[15], tonumber(ARGV[16]), ARGV[19]
  if old == '' then return '' end
  local lane, list = name_of(1), list_of(1)
  local held = redis.call('HMGET', state, lane .. ':token', lane .. ':done', lane .. ':attempts', lane .. ':batch', lane .. ':taken')
  if held[1] ~= old then return held[2] == old and 'again' or 'stale' end
  local taken, era = string.match(held[5], '^(%d+) (%d+)$')
  local again = taken == '0'                                               -- the newest, sent again: it stands in no list
  local tries, batch, at = tonumber(held[3] or '0') + 1, tonumber(held[4] or '1'), now
  if outcome == 'returned' then
    hand_back(lane, taken)
    give_up_lease(lane, list, old, now)
    return 'settled'
  end
  if not by_request and n < tonumber(taken) then refund(tonumber(taken) - n) end   -- not all fitted into the request
  judge_breaker(lane, era, outcome, reason)
  mark_hold(lane, outcome, reason)
  if outcome == 'delivered' then
    if again then finish_resend(lane, outcome, tries) else publish(lane, list, n, tries) end
    tries, batch = 0, math.min(batch_max, batch * 2)
  elseif outcome ~= 'refused' then
    at = now + tonumber(ARGV[17])
    if outcome == 'slow' then redis.call('HSET', breaker, 'slow', digits(at)) circuit.slow = at end
    if outcome == 'shrink' then batch = math.max(1, math.floor(n / 2)) end
  elseif again then finish_resend(lane, outcome, tries) tries = 0
  elseif n > 1 then batch, at = math.floor(n / 2), now + tonumber(ARGV[17])   -- a bisect is state of the lane
  else bury(lane, list, tries, reason, ARGV[20]) tries = 0 end
  redis.call('HSET', state, lane .. ':attempts', digits(tries), lane .. ':batch', digits(batch), lane .. ':reason', reason)
  give_up_lease(lane, list, old, at)
  return 'settled'
end
