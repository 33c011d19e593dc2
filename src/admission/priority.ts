import type { Priority } from '../config/policy.ts';
import type { Identified } from '../context.ts';
import type { GatewayRequest } from '../message.ts';

const header = 'x-headgate-priority';

/**
 * Whether a request waits behind others: if its policy says so, or if it says so itself, in `x-headgate-priority` or as
 * `priority` in its metadata. A request never raises the priority that its policy gives it.
 */
export function priorityOf({
  request,
  metadata,
  policy,
}: Pick<Identified, 'metadata' | 'policy'> & { readonly request: GatewayRequest }): Priority {
  if (policy.priority === 'batch') return 'batch';
  return (request.headers[header] ?? metadata.priority) === 'batch' ? 'batch' : 'interactive';
}
