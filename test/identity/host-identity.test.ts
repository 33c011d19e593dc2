import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../src/errors.ts';
import {
  createHostIdentity,
  type HostFacts,
  type HostIdentityOptions,
} from '../../src/identity/host-identity.ts';
import type { Principal } from '../../src/principal.ts';
import { isPrincipal } from '../../src/principal.ts';
import { createVirtualRuntime } from '../../src/testing/virtual-runtime.ts';
import { refusalOf } from '../refusal-of.ts';
import { toRequest } from './jwt-fixture.ts';

const facts: HostFacts = { id: 'user-17', team: 'payments' };

function ask(find: (...input: never[]) => unknown, options: HostIdentityOptions = {}) {
  return createHostIdentity(find as Parameters<typeof createHostIdentity>[0], options).identify(
    toRequest({}),
  );
}

describe('a host identity', () => {
  it('makes a principal of what the application knows, at once when the application answers at once', () => {
    const principal = ask(() => ({
      ...facts,
      project: 'checkout',
      user: 'ada@acme.example',
      application: 'portal',
      environment: 'production',
      models: ['gpt-*'],
      limits: [{ unit: 'requests', amount: 5, window: '1m' }],
      labels: { plan: 'gold' },
      expiresAtMs: Date.UTC(2100, 0, 1),
    })) as Principal;
    expect(isPrincipal(principal)).toBe(true);
    expect(principal).toMatchObject({
      source: 'host',
      key: 'host:user-17',
      team: 'payments',
      project: 'checkout',
      user: 'ada@acme.example',
      application: 'portal',
      environment: 'production',
      models: ['gpt-*'],
      labels: { plan: 'gold' },
      expiresAtMs: Date.UTC(2100, 0, 1),
    });
    expect(principal.limits).toHaveLength(1);
  });

  it('makes it of a promise, and of anything with a then', async () => {
    expect(await ask(async () => facts)).toMatchObject({ key: 'host:user-17' });
    // biome-ignore lint/suspicious/noThenProperty: promises of other libraries look like this
    expect(await ask(() => ({ then: (resolve: (value: unknown) => void) => resolve(facts) }))).toMatchObject({
      key: 'host:user-17',
    });
  });

  it('gives the function the request, with what the adapter put into host', () => {
    const identity = createHostIdentity(({ host }) => ({
      id: `tenant-${(host as { tenant: string }).tenant}`,
      team: 't',
    }));
    expect(identity.identify(toRequest({}, { host: { tenant: 'a' } }))).toMatchObject({
      key: 'host:tenant-a',
    });
  });

  it.each([undefined, null])(
    'leaves a caller to the next way when the function gives %s',
    async (nothing) => {
      expect(ask(() => nothing)).toBeUndefined();
      expect(await ask(async () => nothing)).toBeUndefined();
    },
  );

  it.each<[string, unknown]>([
    ['true', true],
    ['a text', 'ada'],
    ['a list', []],
    ['an empty object', {}],
    ['no id', { team: 'payments' }],
    ['an empty id', { id: '', team: 'payments' }],
    ['an id that is a number', { id: 17, team: 'payments' }],
    ['an id with a space', { id: 'user 17', team: 'payments' }],
    ['an id with a line break', { id: 'user\n17', team: 'payments' }],
    ['an id of 201 characters', { id: 'u'.repeat(201), team: 'payments' }],
    ['no team', { id: 'user-17' }],
    ['an empty team', { id: 'user-17', team: '' }],
    ['models that are a text', { ...facts, models: '*' }],
    ['a limit without an amount', { ...facts, limits: [{ unit: 'requests' }] }],
    ['labels that are numbers', { ...facts, labels: { a: 1 } }],
    ['an expiry that is no number', { ...facts, expiresAtMs: Number.NaN }],
  ])('answers %s with 500, and no principal comes of it', async (_, value) => {
    for (const find of [() => value, async () => value]) {
      const error = await refusalOf(() => ask(find));
      expect(error).toMatchObject({ code: 'internal_error', status: 500 });
      expect(error.cause).toBeInstanceOf(TypeError);
      expect(error.message).toBe('The gateway failed while handling this request.');
    }
  });

  it('cannot be given another source or key by the application', () => {
    const principal = ask(() => ({ ...facts, source: 'key', key: 'stolen' }));
    expect(principal).toMatchObject({ source: 'host', key: 'host:user-17' });
  });

  it('answers what the function throws with 503 and never with 401, and does not show it', async () => {
    const failure = new Error('connect ECONNREFUSED redis:6379 password=hunter2');
    const finds = [
      () => {
        throw failure;
      },
      async () => {
        throw failure;
      },
    ];
    for (const find of finds) {
      const error = await refusalOf(() => ask(find));
      expect(error).toMatchObject({ code: 'identity_unavailable', status: 503, retryable: true });
      expect(error.message).not.toContain('hunter2');
      expect(error.cause).toBe(failure);
    }
  });

  it('passes a GatewayError of the function on: so the application refuses', async () => {
    const refusal = new GatewayError('not_permitted', 'Your trial is over.');
    expect(await refusalOf(() => ask(() => Promise.reject(refusal)))).toBe(refusal);
    const thrower = () => {
      throw refusal;
    };
    expect(await refusalOf(() => ask(thrower))).toBe(refusal);
  });

  it('refuses facts from the very millisecond they expire', async () => {
    const runtime = createVirtualRuntime();
    const identity = createHostIdentity(() => ({ ...facts, expiresAtMs: Date.UTC(2030, 0, 1) + 10 }), {
      runtime,
    });
    runtime.advance(9);
    expect(identity.identify(toRequest({}))).toMatchObject({ key: 'host:user-17' });
    runtime.advance(1);
    expect(await refusalOf(() => identity.identify(toRequest({})))).toMatchObject({
      code: 'expired_token',
      status: 401,
    });
  });

  it('waits two seconds and no longer, and leaves no timer when the answer comes', async () => {
    const runtime = createVirtualRuntime();
    expect(await ask(async () => facts, { runtime })).toMatchObject({ team: 'payments' });
    expect(runtime.pending).toBe(0);
    const error = refusalOf(() => ask(() => new Promise(() => {}), { runtime }));
    runtime.advance(1_999);
    expect(runtime.pending).toBe(1);
    runtime.advance(1);
    expect(await error).toMatchObject({ code: 'identity_unavailable', status: 503 });
    expect(((await error).cause as Error).message).toContain('in 2000 ms');
  });

  it('lets so many wait and no more', async () => {
    const runtime = createVirtualRuntime();
    let calls = 0;
    const identity = createHostIdentity(
      () => {
        calls++;
        return new Promise<HostFacts>(() => {});
      },
      { runtime, maxPending: 2 },
    );
    const waiting = [1, 2].map(() => refusalOf(() => identity.identify(toRequest({}))));
    expect(await refusalOf(() => identity.identify(toRequest({})))).toMatchObject({
      code: 'identity_unavailable',
    });
    expect(calls).toBe(2);
    runtime.advance(2_000);
    await Promise.all(waiting);
    void Promise.resolve(identity.identify(toRequest({}))).catch(() => undefined);
    expect(calls).toBe(3);
  });

  it('is not made without a function or with options out of range', () => {
    const make = createHostIdentity as (...input: unknown[]) => unknown;
    expect(() => make()).toThrow('createHostIdentity: "find" must be a function.');
    expect(() => make(() => facts, { name: '' })).toThrow('createHostIdentity: "name" must be');
    expect(() => make(() => facts, { timeoutMs: 0 })).toThrow('createHostIdentity: "timeoutMs" must be');
    expect(() => make(() => facts, { maxPending: 1.5 })).toThrow('createHostIdentity: "maxPending" must be');
  });
});
