-- reserve: takes operations out of the quota that all processes share for a target (GCRA).
--
-- KEYS[1] until when the quota is spent, a space, when that was written; both in unix microseconds
-- ARGV 1 operations, 2 for how long each spends the quota, 3 for how long may be spent at once; both
--      in microseconds
-- returns how long to wait until the operations may begin, in microseconds
--
-- More than may be spent at once waits until nothing is, and leaves a debt. When the clock has gone
-- back, what was written goes back with it.

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local spent, written = string.match(redis.call('GET', KEYS[1]) or '', '^(%d+) (%d+)$')
spent, written = tonumber(spent or 0), tonumber(written or 0)
if written > now then spent = spent - (written - now) end
if spent < now then spent = now end
local cost = ARGV[1] * ARGV[2]
local room = math.max(0, ARGV[3] - cost)
local wait = math.max(0, spent - now - room)
spent = spent + cost
local life = math.ceil((spent - now) / 1000) + 1000
redis.call('SET', KEYS[1], string.format('%.0f %.0f', spent, now), 'PX', string.format('%.0f', life))
return string.format('%.0f', wait)
