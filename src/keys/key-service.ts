import { createRuntime, type Runtime } from '../runtime.ts';
import type { KeyQuery, KeyRecord, WritableKeyStore } from '../stores/key-store.ts';
import { changeKey, pause } from './change-key.ts';
import { type IssuedKey, issueKey } from './issue-key.ts';
import { KeyError } from './key-error.ts';
import { createKey } from './key-format.ts';
import { hashSecret, type PepperRing } from './key-hash.ts';
import { createKeyPolicy, type KeyPolicyOptions } from './key-policy.ts';
import { type KeyChange, type KeyRequest, requireUsableRecord } from './key-request.ts';
import { isRevoked, keyStateAt } from './key-state.ts';
import { type KeySummary, toKeySummary } from './key-summary.ts';
import { findWidening, type KeyGrant, requireHeld, tooWide, withinGrant } from './narrow.ts';
import { requireInteger } from './option.ts';
import { type BulkRevocation, type BulkRevocationOptions, type KeysOf, revokeKeysOf } from './revoke-all.ts';

/** Options of `createKeyService`. */
export interface KeyServiceOptions {
  readonly store: WritableKeyStore;
  /** New secrets are hashed under the current pepper; gateways need it too. */
  readonly peppers: PepperRing;
  /** @default createRuntime() */
  readonly runtime?: Runtime;
  readonly policy?: KeyPolicyOptions;
}

/** Who makes a key. */
export interface KeyAuthor {
  /** Kept as `createdBy`. */
  readonly name: string;
  /**
   * What the author itself may do, when it is a key (its record) rather than an operator. Nothing it makes or changes
   * permits more.
   */
  readonly grant?: KeyGrant;
}

/** How a key is rotated. */
export interface RotateOptions {
  /** How long the old secret is accepted alongside the new one; 0 ends it at once. @default 86_400_000, a day */
  readonly graceMs?: number;
}

/** How a key is changed. */
export interface UpdateOptions {
  /**
   * Lets models, limits and expiry become wider than before, but never wider than the team's profile, which a key
   * cannot exceed. @default false
   */
  readonly allowWider?: boolean;
  /** What the author itself may do, as in `KeyAuthor`. With it, `allowWider` is refused. */
  readonly grant?: KeyGrant;
}

/** Makes, changes and ends keys. Gateways see a change as soon as the store notifies them. */
export interface KeyService {
  /**
   * Makes a key and stores its record. The key is in the result and nowhere else: show it once.
   *
   * @throws TypeError naming the invalid field
   * @throws KeyError `key_policy`; `key_too_wide` when it exceeds the author's grant; `key_conflict`
   */
  create(request: KeyRequest, author: KeyAuthor | string): Promise<IssuedKey>;
  /**
   * Gives a key a new secret. Kid, limits and attribution stay; the old secret is accepted for another `graceMs`. A key
   * has at most two secrets: the one before the old one ends at once, whatever its grace was.
   *
   * @throws KeyError `key_not_found`, `key_revoked`, `key_expired`, `key_policy`, `key_conflict`
   */
  rotate(kid: string, options?: RotateOptions): Promise<IssuedKey>;
  /**
   * Ends a key for good: nothing brings it back, and a concurrent rotation or change either fails or comes first. A key
   * that is already revoked keeps its first revocation time.
   *
   * @throws KeyError `key_not_found`, `key_conflict`
   */
  revoke(kid: string): Promise<KeySummary>;
  /**
   * Revokes every live key of an owner, a team or a project, page by page; failures are in the result.
   *
   * @throws TypeError unless exactly one of them is given, or for an option that is out of range
   */
  revokeAllOf(of: KeysOf, options?: BulkRevocationOptions): Promise<BulkRevocation>;
  /**
   * Changes fields of a key. Models, limits and expiry can only become narrower unless `allowWider` is set.
   *
   * @throws TypeError naming the invalid field
   * @throws KeyError `key_not_found`, `key_revoked`, `key_too_wide`, `key_policy`, `key_conflict`
   */
  update(kid: string, change: KeyChange, options?: UpdateOptions): Promise<KeySummary>;
  /** One key; `null` when there is none. */
  find(kid: string): Promise<KeySummary | null>;
  /** A page of keys in the order of their kids; pass the last kid as `after` to get the next page. */
  list(query?: KeyQuery): Promise<readonly KeySummary[]>;
  /** A page of the keys that are not revoked and unused for `unusedForMs`, or never used and older than that. */
  stale(
    query: Omit<KeyQuery, 'active' | 'unusedSinceMs'> & { readonly unusedForMs: number },
  ): Promise<readonly KeySummary[]>;
}

const maxKidRetries = 5;
const defaultGraceMs = 86_400_000;

/**
 * Creates a key service: the rules of a key's life cycle, the same for any store. Every change is a compare-and-set
 * with at most 5 retries, so that two services on two nodes never undo each other's changes.
 *
 * @throws TypeError naming the option that is missing or out of range
 */
export function createKeyService(options: KeyServiceOptions): KeyService {
  const { store, peppers, runtime = createRuntime() } = options;
  if (typeof store?.putKey !== 'function') {
    throw new TypeError('createKeyService: "store" must be a WritableKeyStore.');
  }
  if (typeof peppers?.digest !== 'function') throw new TypeError('createKeyService: "peppers" is needed.');
  const policy = createKeyPolicy(options.policy ?? {});
  /** On the clock that keys expire by. */
  const readNowMs = async (): Promise<number> => Math.floor((await store.readClockMs?.()) ?? runtime.now());
  const show = async (record: KeyRecord): Promise<KeySummary> => toKeySummary(record, await readNowMs());
  const requireLive = (record: KeyRecord): void => {
    const { kid } = record;
    if (isRevoked(record)) {
      throw new KeyError('key_revoked', `The key ${kid} is revoked, which is final. Make a new one.`, {
        kid,
      });
    }
  };

  const service: KeyService = {
    async create(request, author) {
      const { name: createdBy, grant } = typeof author === 'string' ? { name: author } : author;
      const unknown = Object.keys(request).find((field) => !requestable.has(field));
      if (unknown !== undefined) throw new TypeError(`create: "${unknown}" is not for a request to say.`);
      if (request.expiresAtMs !== undefined && request.lifetimeMs !== undefined) {
        throw new TypeError('create: give "expiresAtMs" or "lifetimeMs", not both.');
      }
      const { lifetimeMs, ...asked } = request;
      if (lifetimeMs !== undefined) requireInteger('lifetimeMs', lifetimeMs, 1, undefined, 'create');
      const nowMs = await readNowMs();
      const dated = lifetimeMs === undefined ? asked : { ...asked, expiresAtMs: nowMs + lifetimeMs };
      const wanted = grant === undefined ? dated : withinGrant(dated, grant);
      policy.requireExpiry(wanted.expiresAtMs, nowMs);
      for (let attempt = 0; ; attempt++) {
        const { key, record } = issueKey({ ...wanted, createdBy }, peppers, runtime, nowMs);
        const stored = { ...requireUsableRecord('create', record), version: 1 };
        if (await store.putKey(stored, 0)) return { key, record: stored };
        // another key has this kid (probability 2^-71)
        if (attempt === maxKidRetries)
          throw new KeyError('key_conflict', 'No unused kid was found. Try again.');
        await pause(runtime, attempt);
      }
    },

    async rotate(kid, { graceMs = Math.min(defaultGraceMs, policy.maxGraceMs) } = {}) {
      requireInteger('graceMs', graceMs, 0, undefined, 'rotate');
      policy.requireGrace(graceMs);
      const nowMs = await readNowMs();
      let key = '';
      const record = await changeKey(store, runtime, kid, (found) => {
        requireLive(found);
        if (keyStateAt(found, nowMs) === 'expired') {
          throw new KeyError('key_expired', `The key ${kid} has expired: a new secret would be of no use.`, {
            kid,
          });
        }
        const made = createKey(runtime, { kid, environment: found.environment });
        key = made.key;
        const { secretHash, pepperId, last4 } = found;
        return {
          ...found,
          ...hashSecret(peppers, made.secret),
          last4: made.last4,
          previous: { secretHash, pepperId, last4, graceUntilMs: nowMs + graceMs },
        };
      });
      return { key, record };
    },

    async revoke(kid) {
      const revokedAtMs = runtime.now();
      return show(
        await changeKey(store, runtime, kid, (found) =>
          isRevoked(found) ? found : { ...found, revokedAtMs },
        ),
      );
    },

    revokeAllOf: (of, bulk) => revokeKeysOf(store, runtime, (kid) => service.revoke(kid), of, bulk),

    async update(kid, change, { allowWider = false, grant } = {}) {
      if (allowWider && grant) throw new TypeError('update: "allowWider" is not for authors with a "grant".');
      const nowMs = await readNowMs();
      const record = await changeKey(store, runtime, kid, (found) => {
        requireLive(found);
        const changed = requireUsableRecord('update', applyChange(found, change));
        if (changed.expiresAtMs !== found.expiresAtMs) {
          policy.requireExpiry(changed.expiresAtMs, nowMs);
        }
        if (!allowWider) requireNarrower(changed, found);
        if (grant) requireHeld(changed, grant);
        return changed;
      });
      return toKeySummary(record, nowMs);
    },

    async find(kid) {
      const found = await store.findKey(kid);
      return found && show(found);
    },
    async list(query = {}) {
      const [records, nowMs] = await Promise.all([store.listKeys(query), readNowMs()]);
      return records.map((record) => toKeySummary(record, nowMs));
    },
    async stale({ unusedForMs, ...query }) {
      requireInteger('unusedForMs', unusedForMs, 1, undefined, 'stale');
      return service.list({ ...query, active: true, unusedSinceMs: (await readNowMs()) - unusedForMs });
    },
  };
  return service;
}

const requestable: ReadonlySet<string> = new Set<keyof KeyRequest>([
  ...([
    'team',
    'project',
    'owner',
    'application',
    'environment',
    'name',
    'labels',
    'models',
    'limits',
  ] as const),
  ...(['expiresAtMs', 'lifetimeMs'] as const),
]);

const changeable = ['name', 'application', 'labels', 'models', 'limits', 'expiresAtMs'] as const;

function applyChange(found: KeyRecord, change: KeyChange): KeyRecord {
  const unknown = Object.keys(change).find((field) => !(changeable as readonly string[]).includes(field));
  if (unknown !== undefined) throw new TypeError(`update: "${unknown}" cannot be changed.`);
  const entries = Object.entries({ ...found, ...withoutUndefined(change) });
  return Object.fromEntries(entries.filter(([, value]) => value !== null)) as unknown as KeyRecord;
}

function withoutUndefined(change: KeyChange): object {
  return Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
}

function requireNarrower(changed: KeyRecord, found: KeyRecord): void {
  const wider = findWidening(changed, found);
  if (wider !== undefined) throw tooWide(wider, found.kid);
}
