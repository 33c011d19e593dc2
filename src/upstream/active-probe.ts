import type { ProviderProbe } from '../config/schema.ts';
import type { Candidate } from '../routing/plan.ts';
import type { Runtime } from '../runtime.ts';
import type { Secret } from '../secrets/secret.ts';
import { whenGone } from '../when-gone.ts';
import { toBytes } from './bytes.ts';
import type { Egress, EgressRequest } from './egress.ts';
import type { TargetHealth } from './health/target-health.ts';
import { poolNameOf } from './pool-name.ts';
import { toRequestHeaders } from './request-headers.ts';

/** Asks a provider itself whether it is back, instead of risking a caller's request. */
export type Prober = (candidate: Candidate, probe: ProviderProbe, health: TargetHealth) => void;

/** Nobody waits for a probe's result, and it never throws. */
export function createProber(egress: Egress, runtime: Runtime): Prober {
  return (candidate, probe, health) => {
    health.breaker.beginProbe();
    void ask(egress, runtime, candidate, probe).then(
      (isWell) => health.probed(isWell),
      () => health.probed(false),
    );
  };
}

/** Whether it answers in time, with anything but a server error. */
function ask(egress: Egress, runtime: Runtime, candidate: Candidate, probe: ProviderProbe): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const ending = new AbortController();
    const cancel = runtime.schedule(probe.timeoutMs, () => {
      const late = new Error('The probe took too long.');
      ending.abort(late);
      // whatever it waits for: a secret or a connection may take any time
      reject(late);
    });
    answer(egress, candidate, probe, ending.signal).then(resolve, reject).finally(cancel);
  });
}

async function answer(
  egress: Egress,
  { target, credential }: Candidate,
  probe: ProviderProbe,
  signal: AbortSignal,
): Promise<boolean> {
  await credential.source.ready();
  signal.throwIfAborted();
  const reply = await egress.send(toRequest(target, credential, probe, signal));
  reply.body.cancel();
  return reply.status < 500;
}

function toRequest(
  { provider }: Candidate['target'],
  credential: Candidate['credential'],
  probe: ProviderProbe,
  signal: AbortSignal,
): EgressRequest {
  const secret: Secret = credential.source.current();
  const body = probe.body && toBytes(JSON.stringify(probe.body));
  const own = { accept: 'application/json', ...(body && { 'content-type': 'application/json' }) };
  return {
    origin: provider.origin,
    path: provider.basePath + probe.path,
    method: body ? 'POST' : 'GET',
    headers: toRequestHeaders(own, provider, credential, secret),
    body,
    signal,
    whenGone: (listener) => whenGone({ signal }, listener),
    pool: poolNameOf(credential, secret),
    maxConnections: provider.config.maxConnections,
    connectTimeoutMs: Math.min(provider.config.connectTimeoutMs, probe.timeoutMs),
    headersTimeoutMs: probe.timeoutMs,
    idleTimeoutMs: probe.timeoutMs,
  };
}
