import { defineScript } from './script.ts';

/**
 * What scripts that write begin with. They check all that can fail, key types included, before they write: Redis runs a
 * script alone but rolls nothing back when it fails halfway. The first line makes Redis refuse a script at once where
 * it may not write, on a replica or without memory.
 *
 * KEYS: 1 meta, 2 log, then the script's own. ARGV: 1 not after, 2 whether it may have run, 3 id of the write, 4
 * schema, 5 length of the log, 6 channel, then the script's own.
 */
const prelude = `#!lua
local meta, log = KEYS[1], KEYS[2]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now > tonumber(ARGV[1]) then return redis.error_reply('EXPIRED this write came too late') end
local state = redis.call('HMGET', meta, 'schema', 'epoch', 'secrets', 'config')
if state[1] and tonumber(state[1]) > tonumber(ARGV[4]) then
  return redis.error_reply('SCHEMA ' .. state[1] .. ' is newer than ' .. ARGV[4])
end
redis.call('LLEN', log)

local function was_done()
  if ARGV[2] ~= '1' then return false end
  for _, entry in ipairs(redis.call('LRANGE', log, 0, -1)) do
    if string.find(entry, ARGV[3], 1, true) then return true end
  end
  return false
end

local function tell(kind, id_json)
  local epoch = state[2]
  if not epoch then
    epoch = ARGV[3]
    redis.call('HSET', meta, 'epoch', epoch)
  end
  local stamp = redis.call('HINCRBY', meta, 'stamp', 1)
  local entry = '{"stamp":' .. string.format('%.0f', stamp) .. ',"epoch":"' .. epoch .. '","kind":"' .. kind
    .. '","id":' .. id_json .. ',"write":"' .. ARGV[3] .. '"}'
  redis.call('LPUSH', log, entry)
  redis.call('LTRIM', log, 0, tonumber(ARGV[5]) - 1)
  redis.call('PUBLISH', ARGV[6], entry)
  if kind == 'secrets' then
    -- by the clock, so that it grows also when the number before was lost
    redis.call('HSET', meta, 'secrets', string.format('%.0f', math.max(tonumber(state[3] or '0') + 1, now)))
  end
end

local function head_of(stored)
  if not stored then return { version = 0, index = {} } end
  return cjson.decode(string.match(stored, '^[^\\n]*'))
end
`;

const uses = `
local function note_use(uses, kid, last, previous)
  local stored = redis.call('HGET', uses, kid) or ':'
  local old_last, old_previous = string.match(stored, '^(%d*):(%d*)$')
  local function later(old, new)
    if new ~= '' and (old == '' or tonumber(new) > tonumber(old)) then return new end
    return old
  end
  local noted = later(old_last or '', last) .. ':' .. later(old_previous or '', previous)
  if noted ~= stored then redis.call('HSET', uses, kid, noted) end
end
`;

/**
 * Compare and set of a record. KEYS: 3 records, 4 index, 5 uses (keys only). ARGV: 7 kind, 8 id, 9 id as JSON, 10
 * expected version, 11 the record with its head, 12 index entries as JSON, 13 and 14 times of use. Replies 1 or 0.
 */
export const putRecord = defineScript(`${prelude}${uses}
local records, index, uses, kind, id = KEYS[3], KEYS[4], KEYS[5], ARGV[7], ARGV[8]
local head = head_of(redis.call('HGET', records, id))
if head.version ~= tonumber(ARGV[10]) then return was_done() and 1 or 0 end
local entries = cjson.decode(ARGV[12])
redis.call('ZCARD', index)
if uses then redis.call('HLEN', uses) end
for _, entry in ipairs(head.index) do redis.call('ZREM', index, entry) end
for _, entry in ipairs(entries) do redis.call('ZADD', index, 0, entry) end
redis.call('HSET', records, id, ARGV[11])
if uses then note_use(uses, id, ARGV[13], ARGV[14]) end
tell(kind, ARGV[9])
return 1`);

/** Compare and delete. KEYS: 3 records, 4 index. ARGV: 7 kind, 8 id, 9 id as JSON, 10 expected version. Replies 1 or 0. */
export const removeRecord = defineScript(`${prelude}
local records, index, kind, id = KEYS[3], KEYS[4], ARGV[7], ARGV[8]
local stored = redis.call('HGET', records, id)
local head = head_of(stored)
if not stored or head.version ~= tonumber(ARGV[10]) then return was_done() and 1 or 0 end
redis.call('ZCARD', index)
for _, entry in ipairs(head.index) do redis.call('ZREM', index, entry) end
redis.call('HDEL', records, id)
tell(kind, ARGV[9])
return 1`);

/**
 * Appends a version. KEYS: 3 infos, 4 bodies. ARGV: 7 expected number, 8 info, 9 body, 10 how many versions are kept.
 * Replies 1 or 0.
 */
export const appendVersion = defineScript(`${prelude}
local infos, bodies = KEYS[3], KEYS[4]
local number = tonumber(state[4] or '0')
if number == 0 and redis.call('HLEN', infos) > 0 then return redis.error_reply('EVICTED the number is gone') end
redis.call('HLEN', bodies)
if number ~= tonumber(ARGV[7]) then return was_done() and 1 or 0 end
number = number + 1
local name = string.format('%.0f', number)
redis.call('HSET', infos, name, ARGV[8])
redis.call('HSET', bodies, name, ARGV[9])
redis.call('HSET', meta, 'config', name)
local old = number - tonumber(ARGV[10])
while old > 0 do
  local old_name = string.format('%.0f', old)
  redis.call('HDEL', infos, old_name)
  if redis.call('HDEL', bodies, old_name) == 0 then break end
  old = old - 1
end
tell('config', '"' .. name .. '"')
return 1`);

/**
 * KEYS: 1 keys, 2 uses. ARGV: kid, last use, use of the previous secret; repeated. Uses of unknown keys are ignored.
 */
export const noteUses = defineScript(`#!lua
${uses}
redis.call('HLEN', KEYS[2])
for at = 1, #ARGV, 3 do
  if redis.call('HEXISTS', KEYS[1], ARGV[at]) == 1 then note_use(KEYS[2], ARGV[at], ARGV[at + 1], ARGV[at + 2]) end
end
return 1`);

/** KEYS: 1 meta. ARGV: 1 schema, 2 an epoch for a new installation. Replies 1 when it made something, else 0. */
export const migrate = defineScript(`#!lua
local state = redis.call('HMGET', KEYS[1], 'schema', 'epoch')
if state[1] and tonumber(state[1]) > tonumber(ARGV[1]) then
  return redis.error_reply('SCHEMA ' .. state[1] .. ' is newer than ' .. ARGV[1])
end
if not state[2] then redis.call('HSET', KEYS[1], 'epoch', ARGV[2]) end
if state[1] then return 0 end
redis.call('HSET', KEYS[1], 'schema', ARGV[1])
return 1`);
