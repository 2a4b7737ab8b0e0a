-- lease: ownership of a duty, decided without clocks: a standby takes it by naming the token and counter that it has watched unchanged.
-- KEYS 1 lease hash
-- ARGV 1 take|renew|leave  2 my token  3 holder's name  4 token seen  5 counter seen
-- Returns {mine 0|1, token, counter, holder}
local lease, verb, mine = KEYS[1], ARGV[1], ARGV[2]
redis.call('HDEL', lease, '')                                              -- never refused: a full server must not unseat the holder
local held = redis.call('HMGET', lease, 'token', 'counter', 'holder')
local token, counter, holder = held[1] or '', held[2] or '0', held[3] or ''
if verb == 'take' and token ~= mine and (token == '' or (token == ARGV[4] and counter == ARGV[5])) then
  redis.call('HSET', lease, 'token', mine, 'holder', ARGV[3], 'counter', '1')
  return {1, mine, '1', ARGV[3]}
end
if token ~= mine then return {0, token, counter, holder} end
if verb == 'leave' then
  redis.call('HDEL', lease, 'token', 'holder', 'counter')
  return {0, '', '0', ''}
end
return {1, mine, string.format('%.0f', redis.call('HINCRBY', lease, 'counter', 1)), holder}
