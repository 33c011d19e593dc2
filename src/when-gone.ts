import type { GatewayRequest } from './message.ts';

/** Calls `listener` once when the caller goes away, immediately if it is gone; returns a function that removes it. */
export function whenGone(
  request: Pick<GatewayRequest, 'signal' | 'whenGone'>,
  listener: () => void,
): () => void {
  if (request.whenGone) return request.whenGone(listener);
  const { signal } = request;
  if (signal.aborted) listener();
  else signal.addEventListener('abort', listener, { once: true });
  return () => signal.removeEventListener('abort', listener);
}
