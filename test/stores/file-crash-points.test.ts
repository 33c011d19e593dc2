import type { FileHandle } from 'node:fs/promises';
import { readdir } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createFileStores } from '../../src/stores/file/file-stores.ts';
import type { Stores } from '../../src/stores/stores.ts';
import { sampleVersion } from '../../src/testing/contracts/config-store-samples.ts';
import { sampleRecord } from '../../src/testing/contracts/key-store-samples.ts';
import { sampleSecret } from '../../src/testing/contracts/secret-store-samples.ts';
import { createDirectory } from './file-harness.ts';

/**
 * The end of a process, step by step: the step that `diesAt` counts down to is never answered, and half of what it was to
 * write is written. From then on its locks are those of a process that is gone.
 */
const world = vi.hoisted(() => ({
  diesAt: Number.POSITIVE_INFINITY,
  death: () => {},
  isDead: false,
  /** What the system closes when the process ends. */
  handles: new Set<FileHandle>(),
  step<Result>(
    act: () => Promise<Result>,
    actHalf: () => Promise<unknown> = async () => {},
  ): Promise<Result> {
    if (--world.diesAt > 0) return act();
    const dying = world.diesAt === 0 ? actHalf() : Promise.resolve();
    return dying.then(async () => {
      world.isDead = true;
      for (const handle of world.handles) await handle.close();
      world.handles.clear();
      world.death();
      return new Promise<Result>(() => {});
    });
  },
}));

vi.mock('node:fs/promises', async (importOriginal) => {
  const original = await importOriginal<typeof import('node:fs/promises')>();
  const release = (handle: FileHandle) => {
    world.handles.delete(handle);
    return handle.close();
  };
  const hold = (handle: FileHandle) => {
    world.handles.add(handle);
    return guarded(handle);
  };
  const guarded = (handle: FileHandle) => ({
    stat: ((...args: [never]) => world.step(() => handle.stat(...args))) as FileHandle['stat'],
    readFile: ((...args: [never]) => world.step(() => handle.readFile(...args))) as FileHandle['readFile'],
    utimes: (...args: Parameters<FileHandle['utimes']>) => world.step(() => handle.utimes(...args)),
    sync: () => world.step(() => handle.sync()),
    close: () => world.step(() => release(handle)),
    writeFile: (text: string) =>
      world.step(
        () => handle.writeFile(text),
        () => handle.writeFile(text.slice(0, text.length / 2)),
      ),
  });
  const step =
    (name: 'link' | 'rename' | 'unlink' | 'readdir' | 'mkdir' | 'stat' | 'readFile') =>
    (...args: never[]) =>
      world.step(() => (original[name] as (...all: never[]) => Promise<unknown>)(...args));
  return {
    ...original,
    ...Object.fromEntries(
      (['link', 'rename', 'unlink', 'mkdir', 'stat', 'readFile'] as const).map((name) => [name, step(name)]),
    ),
    open: (...args: Parameters<typeof original.open>) =>
      world.step(async () => hold(await original.open(...args))),
    writeFile: (file: string, text: string, options: object) =>
      world.step(
        () => original.writeFile(file, text, options),
        () => original.writeFile(file, text.slice(0, text.length / 2), options),
      ),
  };
});

// all processes of these tests are one, so the dead one is told by the time of its death
vi.mock('../../src/stores/file/process-identity.ts', () => ({
  identifyThisProcess: async () => ({ pid: world.isDead ? 2 : 1, host: 'here', started: null }),
  isGone: async ({ pid }: { pid: number }) => world.isDead && pid === 1,
}));

describe('the stores in files, when the process ends at any step of a change', () => {
  let directory: string;
  let remove: () => Promise<void>;

  beforeEach(async () => {
    ({ directory, remove } = await createDirectory());
  });
  afterEach(async () => {
    world.diesAt = Number.POSITIVE_INFINITY;
    world.isDead = false;
    await remove();
  });

  const open = () => createFileStores({ directory, settleMs: 0, lockWaitMs: 1_000 });
  const owner = (version: number) => 'x'.repeat((version * 997) % 5_000);

  const kinds = {
    keys: {
      put: async ({ keys }: Stores, version: number) =>
        keys.putKey({ ...sampleRecord('Aa0000000001', { owner: owner(version) }), version }, version - 1),
      async read({ keys }: Stores) {
        const found = await keys.findKey('Aa0000000001');
        if (found) expect(found.owner).toBe(owner(found.version ?? 0));
        return found?.version ?? 0;
      },
    },
    secrets: {
      put: async ({ secrets }: Stores, version: number) =>
        secrets.putSecret(sampleSecret('openai', { version, label: owner(version) }), version - 1),
      async read({ secrets }: Stores) {
        const found = await secrets.findSecret('openai');
        if (found) expect(found.label).toBe(owner(found.version));
        return found?.version ?? 0;
      },
    },
    config: {
      put: async ({ config }: Stores, version: number) =>
        (await config.appendVersion(sampleVersion(`v${version}`), version - 1)) !== null,
      async read({ config }: Stores) {
        const latest = await config.readLatest();
        const number = latest?.number ?? 0;
        if (latest) expect(latest).toEqual({ ...sampleVersion(`v${number}`), number });
        expect((await config.listVersions()).map((info) => info.number)[0] ?? 0).toBe(number);
        return number;
      },
    },
  };

  it.each(Object.entries(kinds))(
    'have the old or the new %s, and the next process goes on',
    async (_, { put, read }) => {
      let version = 0;
      const seen = { old: 0, new: 0 };
      for (let step = 1; ; step++) {
        const died = new Promise<'died'>((resolve) => {
          world.death = () => resolve('died');
        });
        world.isDead = false;
        world.diesAt = step;
        const end = await Promise.race([put(open(), version + 1), died]);
        world.diesAt = Number.POSITIVE_INFINITY;
        if (end !== 'died') {
          expect(end).toBe(true);
          expect(step, 'steps at which it may end').toBeGreaterThan(15);
          break;
        }
        const present = await read(open());
        expect([version, version + 1], `version ${version + 1}, ended at step ${step}`).toContain(present);
        seen[present === version ? 'old' : 'new']++;
        const next = open();
        expect(await put(next, present + 1), `after the end at step ${step}`).toBe(true);
        version = present + 1;
        expect(await read(open())).toBe(version);
        const entries = await readdir(directory, { recursive: true });
        const left = entries.filter((entry) => entry.endsWith('.tmp') || entry.endsWith('.lock'));
        expect(left, `left behind by the end at step ${step}`).toEqual([]);
      }
      expect(seen.old).toBeGreaterThan(5);
      expect(seen.new).toBeGreaterThan(1);
    },
  );
});
