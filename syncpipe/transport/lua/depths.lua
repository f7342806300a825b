-- depths: how much waits in each queue.
--
-- KEYS[1] sorted set of incarnations, KEYS[2 ..] queues
-- ARGV 1 prefix of the hashes of unacknowledged messages, 2 how many bytes of a message to show
-- returns for each queue: messages ready, messages unacknowledged, beginning of the oldest or ""

local taken = {}
for _, incarnation in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  for _, field in ipairs(redis.call('HKEYS', ARGV[1] .. incarnation)) do
    local list = string.match(field, '^%d+:(.*)$')
    taken[list] = (taken[list] or 0) + 1
  end
end
local depths = {}
for i = 2, #KEYS do
  depths[#depths + 1] = redis.call('LLEN', KEYS[i])
  depths[#depths + 1] = taken[KEYS[i]] or 0
  depths[#depths + 1] = string.sub(redis.call('LINDEX', KEYS[i], -1) or '', 1, ARGV[2])
end
return depths
