/** Names of the keys of one installation. They share a hash tag, so that a cluster keeps them on one node. */
export interface RedisLayout {
  /** Hash: `schema`, `epoch`, `stamp` of the last change, `config` number, `secrets` stamp. */
  readonly meta: string;
  /** List: the last changes, newest first, as JSON. */
  readonly log: string;
  /** Pub/sub channel that gets every change as the same JSON. */
  readonly channel: string;
  /** Hash: kid to record. */
  readonly keys: string;
  /** Hash: kid to the times of its uses. */
  readonly keyUses: string;
  /** Sorted set, all of score 0: `all:<kid>`, `team:"<team>":<kid>`, … */
  readonly keyIndex: string;
  /** Hash: id to record. */
  readonly secrets: string;
  /** Sorted set, all of score 0: `all:<id>`. */
  readonly secretIndex: string;
  /** Hash: number to version without configuration, as JSON. */
  readonly configInfos: string;
  /** Hash: number to the configuration, as JSON. */
  readonly configBodies: string;
  /** Keys of the ledger's scripts, in their order: totals, forget, reservations, leases, ended. */
  readonly ledger: readonly string[];
}

/** The schema that this release writes; kept in `meta`. */
export const schemaVersion = 1;

/** @throws TypeError when a name would break the hash tag */
export function toRedisLayout(prefix: string, installation: string): RedisLayout {
  for (const [option, value] of Object.entries({ prefix, installation })) {
    if (!/^[\w.:-]{1,100}$/.test(value)) {
      throw new TypeError(`createRedisStores: "${option}" must be 1 to 100 of A-Z a-z 0-9 _ . : -`);
    }
  }
  const name = (part: string) => `${prefix}:{${installation}}:${part}`;
  return {
    meta: name('meta'),
    log: name('changes:log'),
    channel: name('changes'),
    keys: name('keys'),
    keyUses: name('keys:uses'),
    keyIndex: name('keys:index'),
    secrets: name('secrets'),
    secretIndex: name('secrets:index'),
    configInfos: name('config:infos'),
    configBodies: name('config:bodies'),
    ledger: ['totals', 'forget', 'reservations', 'leases', 'ended'].map((part) => name(`ledger:${part}`)),
  };
}
