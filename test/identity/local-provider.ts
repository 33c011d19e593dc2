import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  exportJWK,
  exportSPKI,
  type GenerateKeyPairResult,
  generateKeyPair,
  type JWTHeaderParameters,
  type JWTPayload,
  SignJWT,
} from 'jose';
import { createVirtualRuntime, type VirtualRuntime } from '../../src/testing/virtual-runtime.ts';

/** What the provider does instead of answering. */
export type ProviderFault = (path: string, response: ServerResponse) => void;

/** How a token of the provider differs from a good one. */
export interface TokenChanges {
  readonly claims?: Record<string, unknown>;
  readonly header?: Partial<JWTHeaderParameters> & Record<string, unknown>;
  /** Signs with this key, whatever the header says. @default the newest published one */
  readonly kid?: string;
}

/** An OpenID Connect provider as far as a resource server sees it, on loopback, by the clock of a test. */
export async function startProvider(runtime: VirtualRuntime = createVirtualRuntime()) {
  const pairs = new Map<string, GenerateKeyPairResult & { readonly alg: string }>();
  const published: Record<string, unknown>[] = [];
  const requests: string[] = [];
  const held: ServerResponse[] = [];
  let fault: ProviderFault | undefined;
  let discovery: Record<string, unknown> = {};

  const server = createServer((request, response) => {
    const path = request.url ?? '';
    requests.push(path);
    if (fault) return fault(path, response);
    response.setHeader('content-type', 'application/json');
    if (path === '/.well-known/openid-configuration') {
      response.end(JSON.stringify({ issuer, jwks_uri: `${issuer}/keys`, ...discovery }));
    } else if (path === '/keys') {
      response.end(JSON.stringify({ keys: published }));
    } else {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  const provider = {
    issuer,
    runtime,
    /** Paths that were asked for, in order. */
    requests,
    /** As it stands in the published set; tests may change it. */
    published,
    async addKey(kid: string, alg = 'ES256', isPublished = true) {
      const pair = await generateKeyPair(alg, { extractable: true });
      pairs.set(kid, { ...pair, alg });
      if (isPublished) published.push({ ...(await exportJWK(pair.publicKey)), kid, alg, use: 'sig' });
      return pair;
    },
    withdrawKey(kid: string) {
      published.splice(
        published.findIndex((key) => key.kid === kid),
        1,
      );
    },
    publicPem: (kid: string) => exportSPKI((pairs.get(kid) as GenerateKeyPairResult).publicKey),
    /** A token that is good for an hour, but for the changes. A claim set to `undefined` is left out. */
    async sign({
      claims = {},
      header = {},
      kid = [...pairs.keys()].at(-1),
    }: TokenChanges = {}): Promise<string> {
      const pair = pairs.get(kid as string);
      if (!pair) throw new Error(`There is no key ${kid}.`);
      const payload = { ...provider.claims(), ...claims } as JWTPayload;
      return new SignJWT(payload)
        .setProtectedHeader({ alg: pair.alg, kid, typ: 'JWT', ...header } as JWTHeaderParameters)
        .sign(pair.privateKey);
    },
    claims: () => ({
      iss: issuer,
      sub: 'ada-4711',
      aud: 'headgate',
      iat: provider.nowS(),
      exp: provider.nowS() + 3_600,
      groups: ['llm-payments'],
    }),
    nowS: () => Math.floor(runtime.now() / 1_000),
    /** From now on; the returned function ends it. */
    fail(next: ProviderFault) {
      fault = next;
      return () => {
        fault = undefined;
      };
    },
    /** Requests get no answer until the returned function is called, and those then get one never. */
    freeze: () => provider.fail((_, response) => void held.push(response)),
    setDiscovery(changes: Record<string, unknown>) {
      discovery = changes;
    },
    close() {
      server.closeAllConnections();
      return new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
  await provider.addKey('first');
  return provider;
}

/** A running provider. */
export type LocalProvider = Awaited<ReturnType<typeof startProvider>>;
