-- workers: what the workers that live say about themselves; the others are forgotten.
--
-- KEYS[1] sorted set of workers: until when (unix ms) each is alive
-- KEYS[2] hash of what each worker says about itself
-- returns what each living worker has announced

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)) do
  redis.call('ZREM', KEYS[1], name)
  redis.call('HDEL', KEYS[2], name)
end
local living = {}
for _, name in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  living[#living + 1] = redis.call('HGET', KEYS[2], name) or nil
end
return living
