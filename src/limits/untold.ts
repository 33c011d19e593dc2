import type { Operation } from '../dialects/endpoint.ts';
import type { AccountFacts } from './account.ts';

/** JSON around the text included, so that it is rather too much. */
const untoldBytesPerToken = 4;

const producesText: ReadonlySet<string> = new Set([
  ...['chat', 'completion', 'response', 'message', 'generate-content', 'message-batch-create'],
]);

const answersLater: ReadonlySet<string> = new Set(['response', 'message-batch-create']);

/** What is counted of a whole reply that tells no usage, of a request that may have produced so much. */
export function untoldOf(
  operation: Operation,
  outputTokens: number,
): Pick<AccountFacts, 'untoldOutputTokens' | 'untoldBytesPerToken'> {
  return {
    untoldOutputTokens: producesText.has(operation) ? outputTokens : 0,
    // what answers later, or in a place where nobody may look, is counted with all it may produce
    untoldBytesPerToken: answersLater.has(operation) ? 0 : untoldBytesPerToken,
  };
}
