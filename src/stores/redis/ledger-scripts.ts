import { ledgerPrelude } from './redis-ledger-prelude.ts';
import { defineScript, type RedisScript } from './script.ts';

/** How many leases and old entries every run also handles, and how many when it would have to deny. */
const sweepSize = 64;
const thoroughSweepSize = 1_000;

/** A script after the prelude. `mayGrow`: refused when Redis has no memory left. */
function ledgerScript(mayGrow: boolean, body: string): RedisScript {
  return defineScript(`#!lua${mayGrow ? '' : ' flags=allow-oom'}${ledgerPrelude}${body}`);
}

/**
 * Holds in all scopes or in none. ARGV: id, lease, from and until when the spans are current, then the scopes: key,
 * amount, the same as an integer, hold, charge, `1` to block, when its bucket is forgotten or nothing, its buckets.
 * Replies `granted`, `denied` or `stale`; where it was denied or -1, whether it is repeated, used and held of each
 * scope, and if repeated key and amount of each.
 */
export const reserveHolds = ledgerScript(
  true,
  `
local more_due = expire(${sweepSize})
if more_due == nil then return lose('inconsistent') end

local function answer(record, is_repeated)
  local found = reply(record[1] == 'denied' and 'denied' or 'granted')
  found[7], found[8] = record[6], is_repeated and 1 or 0
  for at, used in ipairs(record[4]) do
    found[#found + 1] = text(used)
    found[#found + 1] = text(record[5][at])
    if is_repeated then
      found[#found + 1] = string.match(record[2][at], '^[^:]*:(.*)$')
      found[#found + 1] = record[3][at]
    end
  end
  return found
end

local name = ':' .. take()
local known = load(name)
if known then return answer(known, true) end

local lease, from, until_time = tonumber(take()), tonumber(take()), tonumber(take())
if now < from or now >= until_time then return reply('stale') end

local buckets, amount_texts, amounts, blocking, used, held, holds, charges = {}, {}, {}, {}, {}, {}, {}, {}
local names, ends, values, goes = {}, {}, nil, {}
local count = tonumber(take())
for at = 1, count do
  local key = take()
  amount_texts[at], amounts[at], holds[at], charges[at] = take(), tonumber(take()), tonumber(take()), tonumber(take())
  blocking[at], goes[at], ends[at] = take() == '1', take(), take_names(key, names)
  buckets[at] = names[#names]
end

local denied_at
local function look()
  values = read(names)
  denied_at = -1
  for at = 1, count do
    used[at], held[at] = sum(values, (ends[at - 1] or 0) + 1, ends[at])
    local total = used[at] + held[at] + holds[at]
    if denied_at < 0 and blocking[at] and total > amounts[at] then denied_at = at - 1 end
  end
end
look()
if denied_at >= 0 and more_due then
  if expire(${thoroughSweepSize}) == nil then return lose('inconsistent') end
  look()
end

if denied_at >= 0 then
  local record = { 'denied', buckets, amount_texts, used, held, denied_at }
  save(name, record)
  remember(name, ARGV[8])
  return answer(record, false)
end

local changes = stamped()
for at, bucket in ipairs(buckets) do
  -- what only counts holds no more than can be taken away again exactly
  holds[at] = math.min(holds[at], math.max(max_integer - used[at] - held[at], 0))
  held[at] = held[at] + holds[at]
  local bucket_used, bucket_held = parse(values[ends[at]] or '0:0')
  changes[#changes + 1] = bucket
  changes[#changes + 1] = text(bucket_used) .. ':' .. text(bucket_held + holds[at])
end
local record = { 'held', buckets, amount_texts, used, held, -1, holds, charges }
redis.call('ZADD', leases, text(now + lease), name)
save(name, record)
redis.call('HSET', totals, unpack(changes))
-- the end of a window may have been moved since its bucket was begun
local kept = {}
for at, bucket in ipairs(buckets) do
  if goes[at] ~= '' then
    kept[#kept + 1] = goes[at]
    kept[#kept + 1] = bucket
  end
end
if #kept > 0 then redis.call('ZADD', forget, 'GT', unpack(kept)) end
return answer(record, false)`,
);

/** ARGV: id, lease, `1` when charges follow, the charges. Replies `renewed` with 1 or 0. */
export const renewLease = ledgerScript(
  true,
  `
if expire(${sweepSize}) == nil then return lose('inconsistent') end
local answer = reply('renewed')
answer[7] = 0
local name, lease, has_charges = ':' .. take(), tonumber(take()), take() == '1'
local record = load(name)
if not record or record[1] ~= 'held' then return answer end
local due = redis.call('ZSCORE', leases, name)
if due and tonumber(due) <= now then
  if not finish(name, record, 'expired', record[8]) then return lose('inconsistent') end
  return answer
end
redis.call('ZADD', leases, text(now + lease), name)
if has_charges then
  local charges = take_numbers()
  for at = 1, #record[2] do record[8][at] = charges[at] or record[8][at] end
  save(name, record)
end
redis.call('HSET', totals, unpack(stamped()))
answer[6], answer[7] = text(last), 1
return answer`,
);

/**
 * Settles each by its id, once. ARGV: how many, then of each its id and what was used. Replies `settled` and 1 for each
 * that was, 0 for one already settled, -1 for an unknown one.
 */
export const settleHolds = ledgerScript(
  false,
  `
if expire(${sweepSize}) == nil then return lose('inconsistent') end
local answer = reply('settled')
for _ = 1, tonumber(take()) do
  local name = ':' .. take()
  local used = take_numbers()
  local record = load(name)
  local result = -1
  if record and (record[1] == 'held' or record[1] == 'expired') then
    for at = 1, #record[2] do
      used[at] = (used[at] or 0) - (record[1] == 'expired' and record[8][at] or 0)
    end
    if not finish(name, record, 'settled', used) then return lose('inconsistent') end
    result = 1
  elseif record then
    result = 0
  end
  answer[#answer + 1] = result
end
forget_old(${sweepSize})
answer[6] = text(last)
return answer`,
);

/** ARGV: how many scopes, of each its key and its buckets. Replies `read`, used and held of each. */
export const readTotals = ledgerScript(
  false,
  `
if expire(${sweepSize}) == nil then return lose('inconsistent') end
local answer = reply('read')
local names, ends = {}, {}
for at = 1, tonumber(take()) do ends[at] = take_names(take(), names) end
local values = read(names)
for at, to in ipairs(ends) do
  local used, held = sum(values, (ends[at - 1] or 0) + 1, to)
  answer[#answer + 1] = text(used)
  answer[#answer + 1] = text(held)
end
return answer`,
);

/** Ends what is due and forgets what is old. Replies `swept` with 1 when there may be more. */
export const sweepLedger = ledgerScript(
  false,
  `
local more_due = expire(${sweepSize})
if more_due == nil then return lose('inconsistent') end
local more_old = forget_old(${sweepSize})
local answer = reply('swept')
answer[7] = (more_due or more_old) and 1 or 0
return answer`,
);

/**
 * Starts over after a loss. KEYS as above. ARGV: 1 the epoch of the loss, 2 a new one, then what is counted from the
 * beginning: key, bucket, used, when the bucket is forgotten or nothing. Replies 1, or 0 when that was already done.
 */
export const restoreLedger = defineScript(`#!lua
local totals, forget, reservations, leases, ended = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local head = redis.call('HMGET', totals, 'epoch', 'state', 'last')
if head[1] ~= ARGV[1] or string.sub(head[2] or '', 1, 5) ~= 'lost ' then return 0 end
redis.call('UNLINK', unpack(KEYS))
for at = 2, 5 do
  if at ~= 3 then redis.call('ZADD', KEYS[at], 'inf', 'epoch') end
end
redis.call('HSET', reservations, 'epoch', '')
redis.call('HSET', totals, 'epoch', ARGV[2], 'state', 'restored', 'last', head[3] or '0')
for at = 3, #ARGV, 4 do
  local bucket = ARGV[at + 1] .. ':' .. ARGV[at]
  redis.call('HSET', totals, bucket, ARGV[at + 2] .. ':0')
  if ARGV[at + 3] ~= '' then redis.call('ZADD', forget, ARGV[at + 3], bucket) end
end
return 1`);
