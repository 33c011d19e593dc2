import { describe, expect, it } from 'vitest';
import { createKeyService } from '../../src/keys/key-service.ts';
import { createRuntime } from '../../src/runtime.ts';
import type { KeyRecord } from '../../src/stores/key-store.ts';
import { peppers } from './key-fixture.ts';
import { createPlainKeyStore } from './plain-key-store.ts';

async function createSite(count: number) {
  const plain = createPlainKeyStore();
  const service = createKeyService({ store: plain.store, peppers, runtime: createRuntime() });
  const kids: string[] = [];
  for (let index = 0; index < count; index++) {
    kids.push((await service.create({ team: 'web', owner: 'ana', project: 'shop' }, 'ops')).record.kid);
  }
  const bystander = await service.create({ team: 'api', owner: 'bob', project: 'app' }, 'ops');
  const live = () => [...plain.records.values()].filter(({ revokedAtMs }) => revokedAtMs === undefined);
  return { ...plain, service, kids: kids.sort(), bystander: bystander.record, live };
}

describe('revoking all keys of', () => {
  it.each([{ owner: 'ana' }, { team: 'web' }, { project: 'shop' }])(
    '%j ends every one of them and nobody else',
    async (of) => {
      const { service, live, bystander } = await createSite(25);
      const progress: number[] = [];
      const options = { pageSize: 10, onProgress: (revoked: number) => progress.push(revoked) };
      expect(await service.revokeAllOf(of, options)).toEqual({
        revoked: 25,
        failed: [],
        createdMeanwhile: [],
        isComplete: true,
      });
      expect(progress).toEqual([10, 20, 25]);
      expect(live()).toEqual([bystander]);
      expect(await service.revokeAllOf(of)).toMatchObject({ revoked: 0, isComplete: true });
    },
  );

  it('an owner tells of the keys that could not be revoked, and goes on with the others', async () => {
    const { service, kids, faults, live } = await createSite(5);
    const stuck = kids[2] as string;
    faults.beforePut = ({ kid }) => {
      if (kid === stuck) throw new Error('constraint');
    };
    const result = await service.revokeAllOf({ owner: 'ana' });
    expect(result).toMatchObject({ revoked: 4, isComplete: false, createdMeanwhile: [] });
    expect(result.failed).toEqual([{ kid: stuck, error: new Error('constraint') }]);
    expect(result.stoppedAfter).toBeUndefined();
    faults.beforePut = undefined;
    expect(await service.revokeAllOf({ owner: 'ana' })).toMatchObject({ revoked: 1, isComplete: true });
    expect(live().length).toBe(1);
  });

  it('an owner tells of a key that was made while it ran', async () => {
    const { service, records, faults, kids } = await createSite(3);
    const late = { ...(records.get(kids[0] as string) as KeyRecord), kid: '0'.repeat(12), version: 1 };
    faults.beforePut = ({ kid }) => {
      if (kid === kids[2]) records.set(late.kid, late);
    };
    const result = await service.revokeAllOf({ owner: 'ana' }, { concurrency: 1 });
    expect(result).toEqual({ revoked: 3, failed: [], createdMeanwhile: [late.kid], isComplete: false });
    expect(await service.revokeAllOf({ owner: 'ana' })).toMatchObject({ revoked: 1, isComplete: true });
  });

  it('an owner stops when the store fails, and goes on from there when it is called again', async () => {
    const { service, faults, kids, live } = await createSite(20);
    let lists = 0;
    faults.beforeList = () => {
      if (++lists === 2) throw new Error('connection lost');
    };
    const first = await service.revokeAllOf({ owner: 'ana' }, { pageSize: 10 });
    expect(first).toMatchObject({ revoked: 10, isComplete: false, stoppedAfter: kids[9] });
    expect(first.error).toEqual(new Error('connection lost'));
    const second = await service.revokeAllOf({ owner: 'ana' }, { after: first.stoppedAfter as string });
    expect(second).toMatchObject({ revoked: 10, isComplete: true });
    expect(live().length).toBe(1);
  });

  it('an owner gives up after maxFailures', async () => {
    const { service, faults, calls } = await createSite(20);
    faults.beforePut = () => {
      throw new Error('read-only');
    };
    calls.length = 0;
    const options = { maxFailures: 4, concurrency: 2 };
    const result = await service.revokeAllOf({ owner: 'ana' }, options);
    expect(result).toMatchObject({ revoked: 0, isComplete: false });
    expect(result.failed.length).toBe(4);
    expect(calls.filter((name) => name === 'putKey').length).toBe(4);
  });

  it('nobody in particular is a TypeError', async () => {
    const { service, live } = await createSite(1);
    for (const of of [{}, { owner: '' }, { owner: 'ana', team: 'web' }, { owner: undefined as never }]) {
      await expect(service.revokeAllOf(of)).rejects.toThrow(TypeError);
    }
    expect(live().length).toBe(2);
  });
});
