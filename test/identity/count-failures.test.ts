import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../src/errors.ts';
import { countFailures } from '../../src/identity/count-failures.ts';
import { createHostIdentity } from '../../src/identity/host-identity.ts';
import type { Identity } from '../../src/identity/identity.ts';
import { createFailedKeyCounter } from '../../src/keys/failed-keys.ts';
import { createVirtualRuntime } from '../../src/testing/virtual-runtime.ts';
import { refusalOf } from '../refusal-of.ts';
import { createFixture, toRequest } from './jwt-fixture.ts';

function count(identity: Identity, perMinute = 3) {
  const runtime = createVirtualRuntime();
  const counted = countFailures(identity, createFailedKeyCounter(runtime, { perMinute }));
  const attempt = async (headers: Record<string, string>, remoteAddress = '192.0.2.1'): Promise<string> => {
    try {
      const principal = await counted.identify(toRequest(headers, { remoteAddress }));
      return principal ? 'accepted' : 'not ours';
    } catch (error) {
      return (error as { code: string }).code;
    }
  };
  return { runtime, counted, attempt };
}

describe('refused tokens are counted by address', () => {
  it('each time they come, remembered or not; then 429 says how long, and other addresses go on', async () => {
    const { provider, identity } = await createFixture();
    const { attempt, runtime, counted } = count(identity);
    const bad = { authorization: `Bearer ${await provider.sign({ claims: { aud: 'elsewhere' } })}` };
    const answers = [];
    for (let time = 0; time < 4; time++) answers.push(await attempt(bad));
    expect(answers).toEqual(['invalid_token', 'invalid_token', 'invalid_token', 'too_many_failed_keys']);
    const error = await refusalOf(() => counted.identify(toRequest(bad, { remoteAddress: '192.0.2.1' })));
    expect(error).toMatchObject({ status: 429, retryAfterSeconds: 60, retryable: false });
    expect(await attempt(bad, '192.0.2.2')).toBe('invalid_token');
    runtime.advance(59_500);
    expect(await attempt(bad)).toBe('too_many_failed_keys');
    runtime.advance(500);
    expect(await attempt(bad)).toBe('invalid_token');
  });

  it('while good ones from the same address are neither counted nor held up', async () => {
    const { provider, identity } = await createFixture();
    const { attempt } = count(identity, 0);
    const good = { authorization: `Bearer ${await provider.sign()}` };
    const bad = { authorization: `Bearer ${await provider.sign({ claims: { aud: 'elsewhere' } })}` };
    expect(await attempt(bad)).toBe('too_many_failed_keys');
    for (let time = 0; time < 10; time++) expect(await attempt(good)).toBe('accepted');
  });

  it('but not those of whoever sends nothing, has no team, or comes while the provider is down', async () => {
    const { provider, identity, runtime } = await createFixture();
    const { attempt } = count(identity, 0);
    expect(await attempt({})).toBe('not ours');
    const homeless = { authorization: `Bearer ${await provider.sign({ claims: { groups: [] } })}` };
    expect(await attempt(homeless)).toBe('not_permitted');
    provider.fail((_, response) => response.writeHead(500).end());
    runtime.advance(600_000 + 3_600_000);
    const unknown = { authorization: `Bearer ${await provider.sign()}` };
    expect(await attempt(unknown)).toBe('identity_unavailable');
  });

  it('and so are refusals of the host application, except that nothing was sent', async () => {
    const refuse = (code: 'invalid_key' | 'missing_key') =>
      createHostIdentity(() => {
        throw new GatewayError(code, 'No.');
      });
    expect(await count(refuse('invalid_key'), 0).attempt({})).toBe('too_many_failed_keys');
    expect(await count(refuse('missing_key'), 0).attempt({})).toBe('missing_key');
  });

  it('with the identity’s name, and closing it closes the identity', () => {
    let closed = 0;
    const identity: Identity = { name: 'sessions', identify: () => undefined, close: () => void closed++ };
    const { counted } = count(identity);
    expect(counted.name).toBe('sessions');
    counted.close?.();
    expect(closed).toBe(1);
  });
});
