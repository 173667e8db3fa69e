"""What Redis does in one step: reading, and writing whole.

A script runs alone on the server, so nobody sees half of what it does. Instants reach it as decimal texts and are
compared as floating point, exact for microseconds until the year 2255; nothing is computed with them here.

A state's keys, behind one prefix:

=============  ======  =========================================================================================
``newest``     string  the newest instant from which anything was known
``event``      hash    id -> (``available_at``, entities)
``early``      hash    id -> labels of an event that has not come
``expiring``   zset    id of either -> when it is forgotten
``count``      hash    entity -> how many events lie under it
``of:``…       hash    of one entity: id -> record
=============  ======  =========================================================================================

Every key expires when the state has not been written, and an entity's when it has not been, for as long as an event is
remembered. Redis may thus drop an entity's events by its own clock, or under memory pressure; a number that does not
tally then says so, and a decision is refused instead of made on half a history.
"""

EVENTS_IN_KEYS = ("newest", "event", "early", "expiring", "count")
ROWS_IN_KEYS = ("newest", "row", "expiring")

_EVENTS_WHOLE = """
local newest, event, early, expiring, count = unpack(KEYS, 1, 5)
local now = redis.call('GET', newest)
if redis.call('ZCARD', expiring) ~= redis.call('HLEN', event) + redis.call('HLEN', early)
  or (not now and redis.call('EXISTS', event, early) > 0) then
  return redis.error_reply('LOST events are missing')
end
"""

READ_EVENTS = (
    _EVENTS_WHOLE
    + """
-- ARGV: 1 where an event is asked about, its id (any text, '' too), bytes of a record before its labels, bytes of a
-- label; then for each entity its field of count, or '' for none, and 1 where its labels are wanted; KEYS[6..]: the
-- entities' hashes.
local asked, id, head, width = ARGV[1] == '1', ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local answer = {now or '', '', ''}
for at = 5, #ARGV, 2 do
  local field, wanted = ARGV[at], ARGV[at + 1] == '1'
  local held = field == '' and {} or redis.call('HGETALL', KEYS[(at + 7) / 2])
  if #held / 2 ~= tonumber(field ~= '' and redis.call('HGET', count, field) or 0) then
    return redis.error_reply('LOST events of an entity are missing')
  end
  local ids, heads, counts, labels = {}, {}, {}, {}
  for place = 1, #held / 2 do
    local record = held[2 * place]
    ids[place] = held[2 * place - 1]
    heads[place] = record:sub(1, head)
    if wanted then
      counts[place] = struct.pack('<I4', (#record - head) / width)
      labels[place] = record:sub(head + 1)
    end
  end
  answer[#answer + 1] = table.concat(ids, '\\0')
  answer[#answer + 1] = table.concat(heads)
  answer[#answer + 1] = table.concat(counts)
  answer[#answer + 1] = table.concat(labels)
end
if asked then
  local held = redis.call('HGET', event, id)
  if held then
    answer[2] = redis.call('HGET', cmsgpack.unpack(held)[2], id)
    if not answer[2] then return redis.error_reply('LOST an event is missing') end
  else
    answer[3] = redis.call('HGET', early, id) or ''
  end
end
return answer
"""
)

WRITE_EVENTS = (
    _EVENTS_WHOLE
    + """
-- ARGV: prefix of entities' hashes, lifetime in ms, places, bytes of a record before its labels, bytes of a label,
-- newest instant, most to forget, number of events, number of labels, 1 where the state was written before; then of
-- each event: id, available_at, expiry, record, a field of count for each place; then of each label: id, expiry, label.
local prefix, lifetime, places = ARGV[1], ARGV[2], tonumber(ARGV[3])
local head, width, latest, most = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6], tonumber(ARGV[7])
local events, labels = tonumber(ARGV[8]), tonumber(ARGV[9])
if ARGV[10] == '1' and not now then return redis.error_reply('LOST everything is missing') end

local function united(known, more)
  for at = 1, #more, width do
    local label, there = more:sub(at, at + width - 1), false
    for other = 1, #known, width do
      if known:sub(other, other + width - 1) == label then there = true end
    end
    if not there then known = known .. label end
  end
  return known
end

-- held: available_at, then for each place the entity's hash
local function put(id, held, record)
  for place = 1, places do
    if redis.call('HSET', held[place + 1], id, record) == 1 then
      redis.call('HINCRBY', count, held[place + 1]:sub(#prefix + 1), 1)
    end
    redis.call('PEXPIRE', held[place + 1], lifetime)
  end
end

local function drop(id, held)
  for place = 1, places do
    local field = held[place + 1]:sub(#prefix + 1)
    redis.call('HDEL', held[place + 1], id)
    if redis.call('HINCRBY', count, field, -1) <= 0 then redis.call('HDEL', count, field) end
  end
end

local function label(id, held, more)
  local record = redis.call('HGET', held[2], id)
  local known = record:sub(head + 1)
  local all = united(known, more)
  if all ~= known then put(id, held, record:sub(1, head) .. all) end
end

-- Everything is looked at before anything is written: a script that fails has written what it wrote.
local step, first_event = 4 + places, 11
local first_label = first_event + events * step
for at = first_event, first_label - 1, step do
  local held = redis.call('HGET', event, ARGV[at])
  if held and redis.call('HEXISTS', cmsgpack.unpack(held)[2], ARGV[at]) == 0 then
    return redis.error_reply('LOST an event is missing')
  end
end
for at = first_label, #ARGV, 3 do
  local held = redis.call('HGET', event, ARGV[at])
  if held and redis.call('HEXISTS', cmsgpack.unpack(held)[2], ARGV[at]) == 0 then
    return redis.error_reply('LOST an event is missing')
  end
end

for at = first_event, first_label - 1, step do
  local id, available, record = ARGV[at], tonumber(ARGV[at + 1]), ARGV[at + 3]
  local said = record:sub(head + 1)
  local held = redis.call('HGET', event, id)
  held = held and cmsgpack.unpack(held)
  if held and held[1] <= available then
    label(id, held, said)
  else
    if held then
      said = united(redis.call('HGET', held[2], id):sub(head + 1), said)
      drop(id, held)
    else
      said = united(redis.call('HGET', early, id) or '', said)
      redis.call('HDEL', early, id)
    end
    held = {available}
    for place = 1, places do held[place + 1] = prefix .. ARGV[at + 3 + place] end
    redis.call('HSET', event, id, cmsgpack.pack(held))
    redis.call('ZADD', expiring, ARGV[at + 2], id)
    put(id, held, record:sub(1, head) .. said)
  end
end

for at = first_label, #ARGV, 3 do
  local id, more = ARGV[at], ARGV[at + 2]
  local held = redis.call('HGET', event, id)
  if held then
    label(id, cmsgpack.unpack(held), more)
  else
    redis.call('HSET', early, id, united(redis.call('HGET', early, id) or '', more))
    redis.call('ZADD', expiring, 'GT', ARGV[at + 1], id)
  end
end

if now and tonumber(now) > tonumber(latest) then latest = now end
redis.call('SET', newest, latest)
for _, id in ipairs(redis.call('ZRANGEBYSCORE', expiring, '-inf', latest, 'LIMIT', 0, most)) do
  redis.call('ZREM', expiring, id)
  local held = redis.call('HGET', event, id)
  if held then
    drop(id, cmsgpack.unpack(held))
    redis.call('HDEL', event, id)
  else
    redis.call('HDEL', early, id)
  end
end
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, lifetime) end
return latest
"""
)

_ROWS_WHOLE = """
local newest, row, expiring = unpack(KEYS)
local now = redis.call('GET', newest)
local held = redis.call('ZCARD', expiring)
if (held > 0 and held ~= redis.call('HLEN', row)) or (not now and redis.call('EXISTS', row) > 0) then
  return redis.error_reply('LOST rows are missing')
end
"""

READ_ROW = (
    _ROWS_WHOLE
    + """
return {now or '', redis.call('HGET', row, ARGV[1]) or ''}
"""
)

WRITE_ROWS = (
    _ROWS_WHOLE
    + """
-- ARGV: lifetime in ms, newest instant, most to forget, 1 where the state was written before; then of each row: key,
-- expiry or '', record.
local latest = ARGV[2]
if ARGV[4] == '1' and not now then return redis.error_reply('LOST everything is missing') end
for at = 5, #ARGV, 3 do
  local key, expires, record = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local present, newer = redis.call('HGET', row, key), true
  if present then
    local event_time, available_at = struct.unpack('<i8i8', present)
    local other_time, other_available = struct.unpack('<i8i8', record)
    newer = other_time > event_time or (other_time == event_time and other_available >= available_at)
  end
  if newer then
    redis.call('HSET', row, key, record)
    if expires ~= '' then redis.call('ZADD', expiring, expires, key) end
  end
end
if now and tonumber(now) > tonumber(latest) then latest = now end
redis.call('SET', newest, latest)
for _, key in ipairs(redis.call('ZRANGEBYSCORE', expiring, '-inf', latest, 'LIMIT', 0, tonumber(ARGV[3]))) do
  redis.call('ZREM', expiring, key)
  redis.call('HDEL', row, key)
end
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ARGV[1]) end
return latest
"""
)
