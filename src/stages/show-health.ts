import type { Arrival, Identified } from '../context.ts';
import type { HealthTeller } from '../health.ts';
import type { Stage } from '../pipeline.ts';
import { toReply } from '../reply.ts';

/**
 * Answers `GET /headgate/health`: tells every key whether the gateway serves and what is degraded, and those whose
 * profile has `operator` everything (see `GatewayHealth`). 503 while shutting down. Asks nobody, counts against no
 * limit.
 */
export function showHealth({
  health,
}: {
  readonly health: HealthTeller;
}): Stage<Arrival & Identified, never> {
  return {
    name: 'showHealth',
    run({ id, endpoint, policy }) {
      const found = policy.isOperator ? health.report() : health.brief();
      const headers = {
        'content-type': 'application/json',
        'cache-control': 'no-store',
        'x-request-id': id,
        'request-id': endpoint.family === 'anthropic' ? id : undefined,
      };
      const status = found.status === 'serving' ? 200 : 503;
      return Promise.resolve(toReply(status, headers, JSON.stringify({ object: 'health', ...found })));
    },
  };
}
