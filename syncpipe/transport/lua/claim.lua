-- claim: takes messages from lists, most urgent list first, and records them before it removes them.
--
-- KEYS[1]           sorted set of incarnations: until when (unix ms) each is alive
-- KEYS[2]           hash of this incarnation's unacknowledged messages
-- KEYS[3 .. n+2]    the n lists to take from, in order
-- KEYS[n+3 .. 2n+2] their bells
-- ARGV  1 incarnation, 2 its lifetime (ms), 3 number of the last message it claimed,
--       4 most messages, 5 most from one list while others wait, 6 most bytes,
--       7 .. fields of messages that are acknowledged
-- returns field, message, field, message ... where a field is "<number>:<list>"
--
-- Nothing is read out of a message here: whatever stands in it, it is safe before anybody looks.

local alive, unacked = KEYS[1], KEYS[2]
local lists = (#KEYS - 2) / 2
local number, left, room = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[6])

-- The bells are answered. This write needs no memory and comes first, so that Redis lets the rest of
-- the script run even when it is full (it only checks before a script's first write): moving a message
-- frees as much as it takes, and consuming is the way out of a full broker.
redis.call('DEL', unpack(KEYS, lists + 3))
if #ARGV > 6 then redis.call('HDEL', unacked, unpack(ARGV, 7)) end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', alive, now + ARGV[2], ARGV[1])

local records, taken = {}, {}

-- Take up to `most` of a list's oldest messages, which stand at its right end, beyond those that were
-- taken. Returns whether any is left, as far as we know.
local function take(i, most)
  local list = KEYS[i + 2]
  while most > 0 and left > 0 and room > 0 do
    local wanted = math.min(most, left, 16)
    local found = redis.call('LRANGE', list, -taken[i] - wanted, -taken[i] - 1)
    for k = #found, 1, -1 do
      if room <= 0 then return true end
      number = number + 1
      records[#records + 1] = string.format('%d:', number) .. list
      records[#records + 1] = found[k]
      room = room - #found[k]
      taken[i], left, most = taken[i] + 1, left - 1, most - 1
    end
    if #found < wanted then return false end
  end
  return true
end

local more = {}
for i = 1, lists do
  taken[i] = 0
  more[i] = take(i, tonumber(ARGV[5]))
end
for i = 1, lists do
  if more[i] then more[i] = take(i, left) end
end
if #records > 0 then
  redis.call('HSET', unacked, unpack(records))
  for i = 1, lists do
    if taken[i] > 0 then redis.call('LTRIM', KEYS[i + 2], 0, -taken[i] - 1) end
  end
end

-- Whoever cannot carry everything rings for the next.
for i = 1, lists do
  if more[i] and redis.call('LLEN', KEYS[i + 2]) > 0 then
    redis.call('LPUSH', KEYS[lists + i + 2], 1)
  end
end
return records
