import { createFakeUpstream } from '../../../src/testing/fake-upstream/index.ts';

/** What the upstream has generated for one request: the tally that knows nothing of any ledger. */
export interface Served {
  readonly tag: string;
  readonly isWhole: boolean;
  readonly inputTokens: number;
  readonly outputTokens: number;
}

const maxRecorded = 2_000_000;
const longestDelayMs = 30;
/** At the end of the tag of a request that the upstream takes long for. */
export const slowMark = 'slow';
/** How long. */
export const slowMs = 1_000;

/** An upstream that takes its time, and counts for itself. */
export async function startUpstream() {
  const upstream = await createFakeUpstream({
    maxRecordedRequests: maxRecorded,
    maxRecordedBytes: 2 ** 30,
    chunkDelayMs: 4,
    tokensPerChunk: 8,
    reply: ({ index }) => ({ text: 'word '.repeat(5 + (index % 40)) }),
  });
  upstream.fail(({ json }) =>
    isStream(json) ? undefined : { kind: 'delay', delayMs: delayMsOf(tagOf(json)) },
  );
  return {
    url: upstream.url,
    served: (): Served[] =>
      upstream.tally.map(({ request, complete, billedInputTokens, billedOutputTokens }) => ({
        tag: tagOf(request.json),
        isWhole: complete,
        inputTokens: billedInputTokens,
        outputTokens: billedOutputTokens,
      })),
    close: () => upstream.close(),
  };
}

function delayMsOf(tag: string): number {
  return tag.endsWith(slowMark) ? slowMs : Math.ceil(Math.random() * longestDelayMs);
}

interface Body {
  readonly stream?: boolean;
  readonly messages?: readonly { readonly content?: string }[];
}

function isStream(json: unknown): boolean {
  return (json as Body | undefined)?.stream === true;
}

function tagOf(json: unknown): string {
  return (json as Body | undefined)?.messages?.[0]?.content?.split(' ')[0] ?? '';
}
