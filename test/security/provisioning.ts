import {
  createConfigService,
  createKeyService,
  createVault,
  type GatewayConfig,
  type KeyEncryptionRing,
  type PepperRing,
} from 'headgate';
import type { Stores } from '../../src/stores/stores.ts';
import { everyTeam, type Team } from './configuration.ts';
import { type Sentinels, word } from './sentinels.ts';
import type { Shell } from './shell.ts';
import type { TrafficKeys } from './traffic.ts';

/** A provider credential that is to be stored sealed. */
export interface StoredCredential {
  readonly id: string;
  readonly provider: string;
  readonly scope: 'gateway' | 'project' | 'user';
  readonly subject?: string;
  readonly text: string;
}

/** The one project and the one user with credentials of their own. */
export const owners = { project: 'checkout', user: 'ada@example.test' } as const;

/** What fills the stores: commands, or the services of the library. */
export interface Provisioner {
  storeCredential(credential: StoredCredential): Promise<void>;
  apply(config: GatewayConfig): Promise<void>;
  createKey(team: Team): Promise<string>;
  /** @param graceMs a whole number of minutes */
  rotate(kid: string, graceMs: number): Promise<string>;
  revoke(kid: string): Promise<void>;
}

/** Everything by commands. */
export function provisionByCommands(shell: Shell, url: string): Provisioner {
  let files = 0;
  const run = async (argv: readonly string[], stdin?: string) => {
    const options = stdin === undefined ? {} : { stdin };
    const { code, stdout, stderr } = await shell.run('use', [...argv, '--store', url], options);
    if (code !== 0) throw new Error(`headgate ${argv.join(' ')}: ${stderr}`);
    return stdout;
  };
  const keyOf = (text: string) => (JSON.parse(text) as { key: string }).key;
  const plainKeyOf = (text: string) => /hg_[a-z]+_\w+_\w+/.exec(text)?.[0] as string;
  let isPlain = false;
  return {
    async storeCredential({ id, provider, scope, subject, text }) {
      const owner = scope === 'gateway' ? [] : [`--${scope}`, subject as string];
      const argv = ['providers', 'set-secret', provider, '--id', id, ...owner];
      isPlain = !isPlain;
      if (isPlain) await run(argv, `${text}\n`);
      else await run([...argv, '--json', '--file', await shell.write(`secret-${++files}`, text)]);
    },
    async apply(config) {
      await shell.write('headgate.config.json', JSON.stringify(config));
      await run(['config', 'apply', '--message', 'canary']);
    },
    async createKey(team) {
      const argv = ['keys', 'create', '--team', team, '--owner', owners.user, '--project', owners.project];
      isPlain = !isPlain;
      return isPlain ? plainKeyOf(await run(argv)) : keyOf(await run([...argv, '--json']));
    },
    async rotate(kid, graceMs) {
      const grace = graceMs === 0 ? '0' : `${graceMs / 60_000}m`;
      const argv = ['keys', 'rotate', kid, '--grace', grace];
      isPlain = !isPlain;
      return isPlain ? plainKeyOf(await run(argv)) : keyOf(await run([...argv, '--json']));
    },
    async revoke(kid) {
      await run(['keys', 'revoke', kid]);
    },
  };
}

/** Everything by the services. */
export function provisionByServices(
  stores: Stores,
  peppers: PepperRing,
  ring: KeyEncryptionRing,
): Provisioner {
  const service = createKeyService({ store: stores.keys, peppers });
  const vault = createVault({ store: stores.secrets, ring });
  const config = createConfigService({ store: stores.config, check: () => undefined });
  return {
    storeCredential: async (credential) => void (await vault.put({ ...credential, author: 'canary' })),
    apply: async (given) => void (await config.apply(given, { author: 'canary' })),
    createKey: async (team) =>
      (await service.create({ team, owner: owners.user, project: owners.project }, 'canary')).key,
    rotate: async (kid, graceMs) => (await service.rotate(kid, { graceMs })).key,
    revoke: async (kid) => void (await service.revoke(kid)),
  };
}

/** Keys in every state. All are planted. */
export async function makeKeys(
  provisioner: Provisioner,
  stores: Stores,
  rings: { readonly current: PepperRing; readonly old: PepperRing },
  sentinels: Sentinels,
  label: string,
): Promise<Omit<TrafficKeys, 'tokens' | 'badTokens'>> {
  const plant = (what: string, key: string) => sentinels.plantKey(`key: ${what} (${label})`, key);
  const create = async (what: string, team: Team = 'standard') =>
    plant(what, await provisioner.createKey(team));
  const team: Partial<Record<Team, string>> = {};
  for (const name of everyTeam) team[name] = await create(name, name);
  const revoked = await create('revoked');
  await provisioner.revoke(kidOf(revoked));
  const rotated = await create('rotated');
  plant('rotated, new', await provisioner.rotate(kidOf(rotated), 0));
  const graced = await create('graced');
  plant('graced, new', await provisioner.rotate(kidOf(graced), 3_600_000));
  const shortLived = createKeyService({ store: stores.keys, peppers: rings.current });
  const expired = await shortLived.create({ team: 'standard', lifetimeMs: 1 }, 'canary');
  const before = createKeyService({ store: stores.keys, peppers: rings.old });
  const oldPepper = await before.create({ team: 'standard' }, 'canary');
  const good = team.standard as string;
  return {
    team: team as Record<Team, string>,
    revoked,
    rotated,
    graced,
    expired: plant('expired', expired.key),
    oldPepper: plant('old pepper', oldPepper.key),
    wrong: plant('wrong', await forge(kidOf(good))),
    malformed: plant('malformed', `${good.slice(0, good.lastIndexOf('_') + 1)}${word(48)}`),
  };
}

/** Public id of a key. */
export function kidOf(key: string): string {
  return key.split('_')[2] as string;
}

/** A key with the id of another and a secret of its own, checksum and all. */
async function forge(kid: string): Promise<string> {
  const { createKey, createRuntime } = await import('headgate');
  return createKey(createRuntime(), { kid }).key;
}
