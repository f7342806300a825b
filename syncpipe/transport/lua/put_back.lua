-- put_back: a function that the scripts below this file begin with.
--
-- Returns recorded messages to the lists they came from: to the near end in their old order, so that
-- they come next, or to the far end. A leading space, which JSON ignores, marks a message as delivered
-- before. Each is pushed before its record is removed.

local function put_back(unacked, fields, far, bells)
  local order = {}
  for i, field in ipairs(fields) do
    local number, list = string.match(field, '^(%d+):(.*)$')
    order[i] = {tonumber(number), list, field}
  end
  table.sort(order, function(a, b) if far then return a[1] < b[1] else return a[1] > b[1] end end)
  local count = 0
  for _, entry in ipairs(order) do
    local list, field = entry[2], entry[3]
    local message = redis.call('HGET', unacked, field)
    if message then
      if string.sub(message, 1, 1) ~= ' ' then message = ' ' .. message end
      redis.call(far and 'LPUSH' or 'RPUSH', list, message)
      redis.call('HDEL', unacked, field)
      redis.call('LPUSH', bells .. list, 1)
      redis.call('LTRIM', bells .. list, 0, 0)
      count = count + 1
    end
  end
  return count
end

-- The newest `most` fields of a hash: returned first, they end up behind the older ones.
local function newest(unacked, most)
  local fields = redis.call('HKEYS', unacked)
  local function number(field) return tonumber(string.match(field, '^%d+')) end
  table.sort(fields, function(a, b) return number(a) > number(b) end)
  for i = most + 1, #fields do fields[i] = nil end
  return fields
end
