import { createHash } from 'node:crypto';
import type { Arrival } from './context.ts';
import type { PipelineParts } from './gateway-options.ts';
import { createPipeline, type Pipeline } from './pipeline.ts';
import { admit } from './stages/admit.ts';
import { attribute } from './stages/attribute.ts';
import { authorizeModel } from './stages/authorize-model.ts';
import { forwardWithFallback } from './stages/forward-with-fallback.ts';
import { guardStored } from './stages/guard-stored.ts';
import { listModels } from './stages/list-models.ts';
import { rateLimit } from './stages/rate-limit.ts';
import { readCall } from './stages/read-call.ts';
import { replayIdempotent } from './stages/replay-idempotent.ts';
import { resolveKey } from './stages/resolve-key.ts';
import { route } from './stages/route.ts';

/** Every request's path, top to bottom. */
export function createDefaultPipeline({
  keyResolver,
  identities,
  vault,
  limits,
  sink,
  upstream,
  admission,
  router,
  storedOwners,
  mirrors,
  runtime,
  snapshot,
}: PipelineParts): Pipeline<Arrival> {
  const digest = (body: Uint8Array) => createHash('sha256').update(body).digest('base64');
  return createPipeline<Arrival>()
    .use(attribute({ sink }))
    .use(resolveKey({ resolver: keyResolver, identities }))
    .use(admit({ admission }))
    .use(readCall({ freesBody: true }))
    .use(listModels())
    .use(authorizeModel())
    .use(guardStored({ owners: storedOwners }))
    .use(replayIdempotent({ runtime, digest, maxEntries: snapshot.config.idempotency.maxEntries }))
    .use(rateLimit(limits))
    .use(route({ vault, router, mirrors }))
    .end(forwardWithFallback({ upstream }));
}
