-- workers: what the workers that live say about themselves; the others are forgotten.
--
-- KEYS[1] sorted set of workers: until when (unix ms) each is alive
-- KEYS[2] hash of how long (ms) each lives with one announcement, a space, what it says about itself
-- returns what each living worker says
--
-- Who would live for longer than it said has spoken before the clock went back.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local known, living = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES'), {}
for i = 1, #known, 2 do
  local name, left = known[i], known[i + 1] - now
  local life, said = string.match(redis.call('HGET', KEYS[2], name) or '', '^(%d+) (.*)$')
  if life and left > 0 and left <= tonumber(life) then
    living[#living + 1] = said
  else
    redis.call('ZREM', KEYS[1], name)
    redis.call('HDEL', KEYS[2], name)
  end
end
return living
