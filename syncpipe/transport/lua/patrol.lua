-- patrol: renews the caller's life and returns the messages of one incarnation that has died.
--
-- KEYS[1] sorted set of incarnations: until when (unix ms) each is alive
-- KEYS[2] the watch: "<run id of Redis> <unix ms of its beginning>", gone when nobody patrols
-- ARGV 1 incarnation of the caller or "", 2 its lifetime (ms), 3 prefix of the hashes of unacknowledged
--      messages, 4 prefix of the bells, 5 most messages to return in this call
-- returns ms until deaths can be judged, the incarnation judged or "", messages returned, messages left.
--
-- Somebody may only be declared dead by a watch that has lasted a whole lifetime: after a restart, a
-- pause or a wipe of Redis, or a jump of its clock, the living get that long to speak up.

local alive, watch = KEYS[1], KEYS[2]
local lifetime = tonumber(ARGV[2])
redis.call('PEXPIRE', watch, lifetime / 2) -- needs no memory and comes first: see claim

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if ARGV[1] ~= '' then redis.call('ZADD', alive, 'XX', now + lifetime, ARGV[1]) end

local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
local seen, since = string.match(redis.call('GET', watch) or '', '^(%w+) (%d+)$')
since = tonumber(since)
if seen ~= run or since > now then
  since = now
  redis.call('SET', watch, run .. string.format(' %d', now), 'PX', lifetime / 2)
  -- A clock that went back would keep the dead alive: nobody lives longer than a minute unrenewed.
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', alive, now + 60000, '+inf')) do
    redis.call('ZADD', alive, now + lifetime, name)
  end
end
if now - since < lifetime then return {lifetime - (now - since), '', 0, 0} end

local dead = redis.call('ZRANGEBYSCORE', alive, '-inf', now - 1, 'LIMIT', 0, 1)[1]
if not dead then return {0, '', 0, 0} end
local unacked = ARGV[3] .. dead
local count = put_back(unacked, newest(unacked, tonumber(ARGV[5])), false, ARGV[4])
local left = redis.call('HLEN', unacked)
if left == 0 then redis.call('ZREM', alive, dead) end
return {0, dead, count, left}
