/**
 * What the ledger's scripts begin with. All they touch is in five keys, so that all keys are declared, and each has a
 * permanent entry `epoch`, so that none can be empty and none be evicted unnoticed. Redis rolls nothing back when a
 * script fails halfway: a failing command, refused to the user for instance, must be the first of its kind and leave
 * only what a sweep removes, which is why leases are written before records and records before totals.
 *
 * KEYS: 1 totals (hash: `epoch`, `state`, `last`, bucket to `<used>:<held>`), 2 forget (when a bucket goes), 3
 * reservations (hash: `epoch`, id to record), 4 leases (when a hold expires), 5 ended (when a record goes).
 * ARGV: 1 not after, 2 known epoch, 3 an epoch for a new one, 4 whether a new one may begin, 5 instant of the latest
 * write known, 6 how far it may have gone back, 7 and 8 how long granted and denied ids are remembered, 9 how many.
 *
 * A reply is the kind, the server's clock, the ledger's, the epoch, by how much the ledger had gone back, the instant
 * of its latest write, and the rest.
 * A record is: 1 its state, 2 buckets, 3 amounts, 4 and 5 used and held of the first answer, 6 where it was denied,
 * 7 holds, 8 charges. Numbers are below 2^53 and written with `%.0f`: Lua's own format loses digits, and writes -0.
 */
export const ledgerPrelude = `
local totals, forget, reservations, leases, ended = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local max_integer = 9007199254740991
local time = redis.call('TIME')
local clock = time[1] * 1000 + math.floor(time[2] / 1000)
if ARGV[1] ~= '' and clock > tonumber(ARGV[1]) then return redis.error_reply('EXPIRED this write came too late') end

local function text(number) return string.format('%.0f', number) end

local head = redis.call('HMGET', totals, 'epoch', 'state', 'last')
local epoch, state, last = head[1], head[2], tonumber(head[3] or '0')
local found = redis.call('EXISTS', unpack(KEYS))
-- a clock that is set back, or another server's, does not bring a window back
local now = math.max(clock, last)
local rewound = 0

local function begin(new_epoch, new_state)
  for at = 2, 5 do
    if at ~= 3 then redis.call('ZADD', KEYS[at], 'inf', 'epoch') end
  end
  redis.call('HSET', reservations, 'epoch', '')
  redis.call('HSET', totals, 'epoch', new_epoch, 'state', new_state)
  epoch = new_epoch
end

local function reply(kind) return { kind, text(clock), text(now), epoch, text(rewound), text(last) } end

local function lose(reason)
  if string.sub(state or '', 1, 5) ~= 'lost ' then
    state = 'lost ' .. reason
    begin(ARGV[3], state)
  end
  local answer = reply('lost')
  answer[7] = string.sub(state, 6)
  return answer
end

if ARGV[2] == '' then
  local name = ':'
  for _, command in ipairs({
    { 'HSET', totals, name, '0' }, { 'HDEL', totals, name }, { 'HSET', reservations, name, '0' },
    { 'HDEL', reservations, name }, { 'ZADD', leases, '0', name }, { 'ZREM', leases, name },
    { 'ZRANGEBYSCORE', leases, '0', '0' }, { 'ZRANGE', ended, '0', '0' }, { 'ZCARD', ended },
  }) do
    if not redis.acl_check_cmd(unpack(command)) then
      return redis.error_reply('NOPERM the ledger needs ' .. command[1])
    end
  end
end

if not (epoch and state and found == 5) then
  if found > 0 or ARGV[2] ~= '' or ARGV[4] == '0' then return lose('emptied') end
  state = 'new'
  begin(ARGV[3], state)
elseif string.sub(state, 1, 5) == 'lost ' then
  return lose('')
elseif ARGV[2] == epoch then
  rewound = math.max(0, tonumber(ARGV[5]) - last)
  if rewound > tonumber(ARGV[6]) then return lose('rewound') end
elseif ARGV[2] ~= '' and state ~= 'restored' then
  -- somebody who never saw the old one has begun anew
  return lose('emptied')
end

local function load(name)
  local stored = redis.call('HGET', reservations, name)
  if not stored then return nil end
  local is_whole, record = pcall(cmsgpack.unpack, stored)
  if not is_whole or type(record) ~= 'table' then error({ err = 'WRONGTYPE this is no reservation' }) end
  return record
end

local function save(name, record)
  redis.call('HSET', reservations, name, cmsgpack.pack(record))
end

local function parse(value)
  local used, held = string.match(value, '^(%d+):(%d+)$')
  if not used then error({ err = 'WRONGTYPE this is no bucket' }) end
  return tonumber(used), tonumber(held)
end

-- what is written of a change first: the instant
local function stamped()
  last = now
  return { 'last', text(now) }
end

-- the totals when what is held is taken away and what was used is added, and which buckets go; nil when they do not add up.
-- Nothing says when one without an end is forgotten: it goes when nothing is in it, and comes back with what a late settlement finds
local function posted(buckets, holds, used)
  local changes, empty = stamped(), {}
  if #buckets == 0 then return changes, empty end
  local values = redis.call('HMGET', totals, unpack(buckets))
  for at, bucket in ipairs(buckets) do
    local is_endless = string.sub(bucket, 1, 2) == '0:'
    if values[at] or (is_endless and holds[at] == 0 and used[at] > 0) then
      local was_used, was_held = parse(values[at] or '0:0')
      if was_held < holds[at] then return nil end
      local now_used = math.min(math.max(was_used + used[at], 0), max_integer)
      local value = text(now_used) .. ':' .. text(was_held - holds[at])
      if is_endless and value == '0:0' then
        empty[#empty + 1] = bucket
      else
        changes[#changes + 1] = bucket
        changes[#changes + 1] = value
      end
    elseif holds[at] > 0 then
      return nil
    end
  end
  return changes, empty
end

local function remember(name, milliseconds)
  redis.call('ZADD', ended, text(now + tonumber(milliseconds)), name)
end

local function finish(name, record, new_state, used)
  local changes, empty = posted(record[2], record[7], used)
  if not changes then return false end
  local holds, charges = nil, nil
  if new_state == 'expired' then
    holds, charges = {}, used
    for at = 1, #record[2] do holds[at] = 0 end
  end
  save(name, { new_state, record[2], record[3], record[4], record[5], record[6], holds, charges })
  redis.call('HSET', totals, unpack(changes))
  redis.call('ZREM', leases, name)
  remember(name, ARGV[7])
  if #empty > 0 then redis.call('HDEL', totals, unpack(empty)) end
  return true
end

-- whether there may be more that is due; nil when it does not add up
local function expire(size)
  local due = redis.call('ZRANGEBYSCORE', leases, '-inf', text(now), 'LIMIT', 0, size)
  for _, name in ipairs(due) do
    local record = load(name)
    if not record or record[1] ~= 'held' then
      redis.call('ZREM', leases, name)
    elseif not finish(name, record, 'expired', record[8]) then
      return nil
    end
  end
  return #due == size
end

local function forget_old(size)
  local old = redis.call('ZRANGEBYSCORE', ended, '-inf', text(now), 'LIMIT', 0, size)
  if #old < size then
    local excess = redis.call('ZCARD', ended) - 1 - tonumber(ARGV[9])
    if excess > #old then old = redis.call('ZRANGE', ended, 0, math.min(excess, size) - 1) end
  end
  if #old > 0 then
    redis.call('HDEL', reservations, unpack(old))
    redis.call('ZREM', ended, unpack(old))
  end
  local gone = redis.call('ZRANGEBYSCORE', forget, '-inf', text(now), 'LIMIT', 0, size)
  for _, bucket in ipairs(gone) do
    local _, held = parse(redis.call('HGET', totals, bucket) or '0:0')
    if held > 0 then
      -- its leases end it
      redis.call('ZADD', forget, text(now + 3600000), bucket)
    else
      redis.call('HDEL', totals, bucket)
      redis.call('ZREM', forget, bucket)
    end
  end
  return #old == size or #gone == size
end

local next_argument = 10
local function take()
  local value = ARGV[next_argument]
  next_argument = next_argument + 1
  return value
end

local function take_numbers()
  local numbers = {}
  for at = 1, tonumber(take()) do numbers[at] = tonumber(take()) end
  return numbers
end

-- the names of a scope's buckets; the last is where it is counted
local function take_names(key, names)
  for _ = 1, tonumber(take()) do names[#names + 1] = take() .. ':' .. key end
  return #names
end

local function sum(values, from, to)
  local used, held = 0, 0
  for at = from, to do
    if values[at] then
      local more_used, more_held = parse(values[at])
      used, held = used + more_used, held + more_held
    end
  end
  return used, held
end

local function read(names)
  return #names == 0 and {} or redis.call('HMGET', totals, unpack(names))
end
`;
