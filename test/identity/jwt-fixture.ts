import { afterEach } from 'vitest';
import { createJwtIdentity, type JwtIdentity } from '../../src/identity/jwt-identity.ts';
import type { JwtIdentityOptions } from '../../src/identity/jwt-options.ts';
import type { GatewayRequest, HeaderMap } from '../../src/message.ts';
import type { Principal } from '../../src/principal.ts';
import { refusalOf } from '../refusal-of.ts';
import { type LocalProvider, startProvider, type TokenChanges } from './local-provider.ts';

const endings: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of endings.splice(0)) await end();
});

/** A request with these header fields. */
export function toRequest(headers: HeaderMap, more: Partial<GatewayRequest> = {}): GatewayRequest {
  return {
    method: 'POST',
    path: '/v1/chat/completions',
    query: '',
    headers,
    signal: new AbortController().signal,
    readBody: async () => new Uint8Array(),
    ...more,
  };
}

/** A provider and an identity that trusts it, in virtual time; both end with the test. */
export async function createFixture(options: Partial<JwtIdentityOptions> = {}) {
  const provider = await startProvider();
  const errors: unknown[] = [];
  const identity = createJwtIdentity({
    name: 'acme',
    issuer: provider.issuer,
    audience: 'headgate',
    teams: { 'llm-payments': 'payments', 'llm-research': 'research' },
    runtime: provider.runtime,
    onError: (error) => errors.push(error),
    ...options,
  });
  endings.push(
    () => identity.close(),
    () => provider.close(),
  );
  return { provider, identity, runtime: provider.runtime, errors, ...toActions(identity, provider) };
}

function toActions(identity: JwtIdentity, provider: LocalProvider) {
  const identify = (token: string) => identity.identify(toRequest({ authorization: `Bearer ${token}` }));
  return {
    identify,
    /** What becomes of a token that differs so from a good one. */
    async try(changes: TokenChanges = {}): Promise<Principal | undefined> {
      return identify(await provider.sign(changes));
    },
    /** Code of the refusal, or 'accepted', or 'not ours'. */
    async answer(token: string): Promise<string> {
      try {
        return (await identify(token)) ? 'accepted' : 'not ours';
      } catch (error) {
        return (error as { code: string }).code;
      }
    },
    refusal: (token: string) => refusalOf(() => identify(token)),
  };
}

/** Waits for something that happens outside of virtual time. */
export async function until(condition: () => boolean, what = 'the condition'): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`${what} did not come true in a minute.`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** A token with these parts, signed with whatever is given. */
export function assemble(header: unknown, payload: unknown, signature = 'c2ln'): string {
  const encode = (part: unknown) => Buffer.from(JSON.stringify(part)).toString('base64url');
  return `${encode(header)}.${encode(payload)}.${signature}`;
}
