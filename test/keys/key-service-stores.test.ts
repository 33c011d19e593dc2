import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isKeyError } from '../../src/keys/key-error.ts';
import { createKeyService } from '../../src/keys/key-service.ts';
import { createRuntime } from '../../src/runtime.ts';
import { createFileStores } from '../../src/stores/file/file-stores.ts';
import { createMemoryStores } from '../../src/stores/memory/memory-stores.ts';
import { createSqliteStores } from '../../src/stores/sqlite/sqlite-stores.ts';
import type { Stores } from '../../src/stores/stores.ts';
import { peppers } from './key-fixture.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'headgate-keys-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const memory = createMemoryStores();
const backends: [string, () => Stores][] = [
  ['memory', () => memory],
  ['files', () => createFileStores({ directory })],
  ['SQLite', () => createSqliteStores({ file: join(directory, 'keys.db') })],
];

describe.each(backends)('two key services on the same %s', (_, open) => {
  it('never undo a revocation, nor each other, whatever runs at once', async () => {
    const nodes = [open(), open()];
    for (const node of nodes) await node.migrate();
    const [one, other] = nodes.map(({ keys }) =>
      createKeyService({ store: keys, peppers, runtime: createRuntime() }),
    ) as [ReturnType<typeof createKeyService>, ReturnType<typeof createKeyService>];
    for (let round = 0; round < 10; round++) {
      const { record } = await one.create({ team: 'web', owner: 'ana' }, 'ops');
      const { kid } = record;
      const attempts: Promise<unknown>[] = [
        one.rotate(kid),
        other.update(kid, { name: 'a' }),
        other.revoke(kid),
        one.update(kid, { labels: { b: '1' } }),
        other.rotate(kid),
      ];
      const results = await Promise.allSettled(attempts);
      expect(results[2]?.status).toBe('fulfilled');
      for (const result of results) {
        if (result.status === 'fulfilled') continue;
        if (!isKeyError(result.reason)) throw result.reason;
        expect(['key_revoked', 'key_conflict']).toContain(result.reason.code);
      }
      const done = results.filter(({ status }) => status === 'fulfilled').length;
      for (const service of [one, other]) {
        expect(await service.find(kid)).toMatchObject({ state: 'revoked', version: 1 + done });
      }
    }
    expect(await other.list({ owner: 'ana', active: true })).toEqual([]);
    for (const node of nodes) await node.close();
  });
});
