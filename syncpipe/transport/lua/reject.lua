-- reject: returns named messages of one incarnation.
--
-- KEYS[1] hash of its unacknowledged messages
-- ARGV 1 prefix of the bells, 2 "near" or "far" end of the list, 3 .. fields
-- returns how many were returned; those already acknowledged or returned are not.

redis.call('PERSIST', KEYS[1]) -- needs no memory and comes first: see claim
local fields = {}
for i = 3, #ARGV do fields[#fields + 1] = ARGV[i] end
return put_back(KEYS[1], fields, ARGV[2] == 'far', ARGV[1])
