import { randomBytes } from 'node:crypto';
import { createGateway } from '../../../src/gateway.ts';
import { createKeyService } from '../../../src/keys/key-service.ts';
import { createNoPepperRing } from '../../../src/keys/no-pepper.ts';
import { createVault } from '../../../src/secrets/vault.ts';
import { createMemoryStores } from '../../../src/stores/memory/memory-stores.ts';
import { askCore } from './ask-core.ts';
import { toSecretText } from './client.ts';
import { toRing } from './key-ring.ts';
import { createMemoryEgress } from './memory-egress.ts';
import { steadyModel, toConfig } from './site.ts';

/** What one process did. */
export interface InProcessReport {
  readonly tries: number;
  /** Next requests that were decided by the state before the change. */
  readonly stale: number;
  /** Requests of the load beside, and those of them that were not served. */
  readonly loadRequests: number;
  readonly loadFailures: number;
}

/** Requests under way all the time. */
const concurrency = 32;
/** In the requests that are looked at. */
const mark = 'a try';
const upstreamUrl = 'http://upstream.test';

/**
 * Changes something, and looks whether the very next request is decided by it, while others are under way: models
 * added and removed by `update`, keys revoked, the provider's secret replaced.
 */
export async function measureInProcess(tries: number): Promise<InProcessReport> {
  const stores = createMemoryStores();
  let usedByTry = '';
  const egress = createMemoryEgress(({ body }, authorization) => {
    // requests of the load that began before the change may still come with the secret before
    if (Buffer.from(body ?? []).includes(mark)) usedByTry = authorization;
  });
  const vault = createVault({ store: stores.secrets, ring: toRing(randomBytes(32).toString('base64')) });
  const putSecret = (number: number) =>
    vault.put({ id: 'main', provider: 'main', text: toSecretText(number), author: 'verify' });
  await vault.load();
  await putSecret(0);
  const toVersion = (model: string | undefined) =>
    toConfig(upstreamUrl, { store: 'main' }, ['changing'], model === undefined ? [] : [model]);
  const gateway = createGateway(toVersion(undefined), { keys: stores.keys, vault, egress });
  const keys = createKeyService({ store: stores.keys, peppers: createNoPepperRing() });
  const good = await keys.create({ team: 'payments' }, 'verify');

  let isOver = false;
  let loadRequests = 0;
  let loadFailures = 0;
  const load = async (): Promise<void> => {
    while (!isOver) {
      loadRequests++;
      if ((await askCore(gateway, good.key, steadyModel)) !== 200) loadFailures++;
    }
  };
  const loads = Array.from({ length: concurrency }, load);
  const kinds: readonly ((round: number) => Promise<boolean>)[] = [
    async () => {
      gateway.update(toVersion('changing'));
      return (await askCore(gateway, good.key, 'changing')) === 200;
    },
    async () => {
      gateway.update(toVersion(undefined));
      return (await askCore(gateway, good.key, 'changing')) === 404;
    },
    async (round) => {
      const { key, record } = await keys.create({ team: 'payments' }, 'verify');
      // each from elsewhere: an address that sends many refused keys is told 429 in place of 401
      const ask = () =>
        askCore(gateway, key, steadyModel, mark, `10.${round >> 16}.${(round >> 8) & 255}.${round & 255}`);
      const wasGood = (await ask()) === 200;
      await keys.revoke(record.kid);
      return wasGood && (await ask()) === 401;
    },
    async (round) => {
      await putSecret(round);
      const isServed = (await askCore(gateway, good.key, steadyModel, mark)) === 200;
      return isServed && usedByTry === `Bearer ${toSecretText(round)}`;
    },
  ];
  let stale = 0;
  for (let round = 0; round < tries; round++) {
    const isFresh = await (kinds[round % kinds.length] as (round: number) => Promise<boolean>)(round);
    if (!isFresh) stale++;
  }
  isOver = true;
  await Promise.all(loads);
  await gateway.close({ drainMs: 1 });
  await vault.close();
  return { tries, stale, loadRequests, loadFailures };
}
