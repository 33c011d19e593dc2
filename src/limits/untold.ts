import type { Call } from '../call.ts';

/** What is counted of a whole reply that tells no usage. */
export interface Untold {
  /** The most output. */
  readonly outputTokens: number;
  /** Bytes of such a reply that are counted as one token of output; 0 counts all of the most. */
  readonly bytesPerToken: number;
  /** Whether the provider goes on when the caller has left: what is not known of it then is counted as all of the most. */
  readonly goesOn: boolean;
}

/** JSON around the text included, so that it is rather too much. */
const untoldBytesPerToken = 4;

const producesText: ReadonlySet<string> = new Set([
  ...['chat', 'completion', 'response', 'message', 'generate-content', 'message-batch-create'],
]);

const answersLater: ReadonlySet<string> = new Set(['response', 'message-batch-create']);

/** The same of a request that may have produced so much. */
export function untoldOf({ endpoint, members }: Call, outputTokens: number): Untold {
  const { operation } = endpoint;
  return {
    outputTokens: producesText.has(operation) ? outputTokens : 0,
    // what answers later, or in a place where nobody may look, is counted with all it may produce
    bytesPerToken: answersLater.has(operation) ? 0 : untoldBytesPerToken,
    goesOn: operation === 'response' && members?.get('background')?.kind === 'true',
  };
}
