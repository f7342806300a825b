-- taken: the lists from which unacknowledged messages came, each once.
--
-- KEYS[1] sorted set of incarnations; ARGV 1 prefix of the hashes of unacknowledged messages

local seen, lists = {}, {}
for _, incarnation in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  for _, field in ipairs(redis.call('HKEYS', ARGV[1] .. incarnation)) do
    local list = string.match(field, '^%d+:(.*)$')
    if not seen[list] then
      seen[list] = true
      lists[#lists + 1] = list
    end
  end
end
return lists
