-- purge: deletes a queue's ready messages. KEYS[1] the queue, KEYS[2] its bell; returns how many
-- there were.

local count = redis.call('LLEN', KEYS[1])
redis.call('DEL', KEYS[1], KEYS[2])
return count
