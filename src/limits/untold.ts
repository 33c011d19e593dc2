import type { Call } from '../call.ts';

/** What is counted for a whole reply that reports no usage. */
export interface Untold {
  /** The most output tokens. */
  readonly outputTokens: number;
  /** Bytes of such a reply that count as one token of output; 0 counts all of `outputTokens`. */
  readonly bytesPerToken: number;
  /** Whether the provider goes on when the caller has left: then what is unknown counts as all of `outputTokens`. */
  readonly goesOn: boolean;
}

/** Includes the JSON around the text, so it is rather too much. */
const untoldBytesPerToken = 4;

const producesText: ReadonlySet<string> = new Set([
  ...['chat', 'completion', 'response', 'message', 'generate-content', 'message-batch-create'],
]);

const answersLater: ReadonlySet<string> = new Set(['response', 'message-batch-create']);

/** The same, for a request that may have produced so much. */
export function untoldOf({ endpoint, members }: Call, outputTokens: number): Untold {
  const { operation } = endpoint;
  return {
    outputTokens: producesText.has(operation) ? outputTokens : 0,
    // what answers later, or where nobody may look, counts all it may produce
    bytesPerToken: answersLater.has(operation) ? 0 : untoldBytesPerToken,
    goesOn: operation === 'response' && members?.get('background')?.kind === 'true',
  };
}
