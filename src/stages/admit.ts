import type { Admission, Priority } from '../admission/admission.ts';
import type { Arrival, Identified } from '../context.ts';
import type { GatewayRequest } from '../message.ts';
import { nothing, type Stage } from '../pipeline.ts';

const header = 'x-headgate-priority';

/**
 * Lets a request on, before its body is read: at once while there is room, after others when there is none, and not at
 * all when the process is overloaded. Requests that say `batch` (in `x-headgate-priority`, or as `priority` in their
 * metadata) wait behind all others, and are sent away first.
 *
 * @throws GatewayError `overloaded` (503) with `retry-after`; `caller_gone` for who left while waiting
 */
export function admit({ admission }: { readonly admission: Admission }): Stage<Arrival & Identified, object> {
  return {
    name: 'admit',
    run({ request, metadata, snapshot }, next) {
      const priority = priorityOf(request, metadata);
      const waiting = admission.enter(priority, snapshot.config.admission, (listener) =>
        whenGone(request, listener),
      );
      return waiting ? waiting.then(() => next(nothing)) : next(nothing);
    },
  };
}

function priorityOf({ headers }: GatewayRequest, metadata: Identified['metadata']): Priority {
  return (headers[header] ?? metadata.priority) === 'batch' ? 'batch' : 'interactive';
}

function whenGone(request: GatewayRequest, listener: () => void): () => void {
  if (request.whenGone) return request.whenGone(listener);
  const { signal } = request;
  if (signal.aborted) listener();
  else signal.addEventListener('abort', listener, { once: true });
  return () => signal.removeEventListener('abort', listener);
}
