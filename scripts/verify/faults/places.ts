import { createServer } from 'node:net';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import type { FaultCase } from './table/row.ts';
import { type Certificate, createAuthority } from './tls-fixture.ts';
import {
  type FaultUpstream,
  type FaultUpstreamOptions,
  startFaultUpstream,
} from './upstream/fault-upstream.ts';

/** Where a first target is; `place` is undefined where nobody can be reached. */
export interface Placed {
  readonly place: FaultUpstream | undefined;
  readonly address: string;
}

/** Starts the first target of a case. */
export async function placeFirst(where: FaultCase['place'], options: FaultUpstreamOptions): Promise<Placed> {
  if (where === 'refused') return { place: undefined, address: `http://127.0.0.1:${await findFreePort()}` };
  const tls = where === undefined || where === 'tls-plain' ? undefined : toCertificate(where);
  const place = await startFaultUpstream({ ...options, tls });
  const scheme = where === undefined ? 'http' : 'https';
  return { place, address: `${scheme}://127.0.0.1:${place.port}` };
}

/** A port at which nobody listens. */
export async function findFreePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const dayMs = 86_400_000;
let trusted: ReturnType<typeof createAuthority> | undefined;

function toCertificate(where: 'tls-expired' | 'tls-wrong-host' | 'tls-self-signed'): Certificate {
  const now = Date.now();
  if (where === 'tls-self-signed') {
    return createAuthority('nobody', now).issue('127.0.0.1', now - dayMs, now + dayMs);
  }
  if (!trusted) {
    trusted = createAuthority('verify', now);
    // what is trusted otherwise stays so; what is wrong with a certificate is the one thing
    setDefaultCACertificates([...getCACertificates('default'), trusted.cert]);
  }
  return where === 'tls-expired'
    ? trusted.issue('127.0.0.1', now - 9 * dayMs, now - dayMs)
    : trusted.issue('elsewhere.test', now - dayMs, now + dayMs);
}
