-- release: returns all messages of an incarnation that ends, and forgets it.
--
-- KEYS[1] sorted set of incarnations, KEYS[2] hash of its unacknowledged messages
-- ARGV 1 incarnation, 2 prefix of the bells, 3 most messages to return in this call
-- returns how many were returned, and how many are left for another call.

redis.call('PERSIST', KEYS[2]) -- needs no memory and comes first: see claim
local count = put_back(KEYS[2], newest(KEYS[2], tonumber(ARGV[3])), false, ARGV[2])
local left = redis.call('HLEN', KEYS[2])
if left == 0 then redis.call('ZREM', KEYS[1], ARGV[1]) end
return {count, left}
