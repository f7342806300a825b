-- announce: says that a worker lives.
--
-- KEYS[1] sorted set of workers: until when (unix ms) each is alive
-- KEYS[2] hash of how long (ms) each lives with one announcement, a space, what it says about itself
-- ARGV 1 name, 2 for how long it lives (ms), 3 what it says

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2] .. ' ' .. ARGV[3])
