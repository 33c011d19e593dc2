import type { Priority } from '../config/policy.ts';
import type { Identified } from '../context.ts';
import type { GatewayRequest } from '../message.ts';

const header = 'x-headgate-priority';

/**
 * Whether a request waits behind others: where its policy says so, and where it says so itself, in `x-headgate-priority` or
 * as `priority` in its metadata. What it says never puts it before where its policy does.
 */
export function priorityOf({
  request,
  metadata,
  policy,
}: Pick<Identified, 'metadata' | 'policy'> & { readonly request: GatewayRequest }): Priority {
  if (policy.priority === 'batch') return 'batch';
  return (request.headers[header] ?? metadata.priority) === 'batch' ? 'batch' : 'interactive';
}
