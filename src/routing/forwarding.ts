/** What went wrong with an attempt. What follows from it is the policy's to say, see `FailureAction`. */
export type FailureClass =
  /** No connection: refused, not found, not trusted, too slow to connect. Nothing reached the provider. */
  | 'not-sent'
  /** 429: the provider has had enough requests or tokens for the moment. */
  | 'refused'
  /** 503 and 529 before any output. */
  | 'overloaded'
  /** Any other 5xx, and statuses that no provider of this kind sends. */
  | 'server-error'
  /** The request was written, and nobody knows what became of it: the connection broke, or the time was over, before a status came. */
  | 'uncertain'
  /** No first token, or a stall. */
  | 'timeout'
  /** A reply that had begun ended early, or with an error in it. */
  | 'broken-stream'
  /** A reply that is none of this provider: HTML, a redirect, broken JSON, a compressed or an empty one. */
  | 'invalid-reply'
  /** 401, 403: the credential is not accepted. */
  | 'credential'
  /** The account behind the credential has no money or quota left. */
  | 'quota'
  /** The request is longer than the model's context window. */
  | 'context-too-long'
  /** The provider's content filter refused it. */
  | 'content-refused'
  /** The request itself is wrong. */
  | 'bad-request';

/**
 * What follows a failed attempt: `retry` may ask the same target again after a pause, others first; `next-credential`
 * another credential of the same target, then other targets; `next-target` another target; `stop` nobody.
 */
export type FailureAction = 'retry' | 'next-credential' | 'next-target' | 'stop';

/** How long things may take. What is absent is the provider's own setting, or unbounded. */
export interface Timeouts {
  readonly connectMs?: number | undefined;
  /** From the request being sent to the status of the reply. */
  readonly headersMs?: number | undefined;
  /** From the request being sent to the first content of a stream. */
  readonly firstTokenMs?: number | undefined;
  /** Between two chunks of a reply. */
  readonly idleMs?: number | undefined;
  /** The whole request, all attempts together. */
  readonly totalMs?: number | undefined;
}

/** How the attempts of a request are made, and what the caller gets when one fails. */
export interface ForwardingPolicy {
  readonly onFailure: Readonly<Record<FailureClass, FailureAction>>;
  readonly timeouts: Timeouts;
  /** Attempts over all candidates. */
  readonly maxAttempts: number;
  /** No new attempt begins after this long. */
  readonly deadlineMs: number;
  /** When a reply goes out: at its first content, or when it is whole. */
  readonly commit: 'content' | 'complete';
  /** What is tried, in this order, when a stream breaks after content went out. Empty: the caller gets the error. */
  readonly rescue: readonly ('continue' | 'restart')[];
  /** A second attempt at the next candidate begins when the first has shown no content for so long; the faster one wins. */
  readonly hedgeAfterMs?: number | undefined;
  /** What a chunk that cannot be what the protocol sends does to a stream. */
  readonly onMalformedChunk: 'fail' | 'skip';
}

/** What a route, or a target of one, says of forwarding; what it leaves out is as it is without it. */
export type ForwardingOverlay = {
  readonly [Field in Exclude<keyof ForwardingPolicy, 'onFailure' | 'timeouts'>]?:
    | ForwardingPolicy[Field]
    | undefined;
} & {
  readonly onFailure?: Partial<Record<FailureClass, FailureAction | undefined>> | undefined;
  readonly timeouts?: Timeouts | undefined;
};

/** What holds for requests that no configuration says anything else about. */
export const defaultForwarding: ForwardingPolicy = {
  onFailure: {
    'not-sent': 'retry',
    refused: 'retry',
    overloaded: 'retry',
    'server-error': 'retry',
    uncertain: 'stop',
    timeout: 'next-target',
    'broken-stream': 'next-target',
    'invalid-reply': 'retry',
    credential: 'next-credential',
    quota: 'next-credential',
    'context-too-long': 'next-target',
    'content-refused': 'stop',
    'bad-request': 'stop',
  },
  timeouts: { firstTokenMs: 120_000 },
  maxAttempts: 4,
  deadlineMs: 120_000,
  commit: 'content',
  rescue: ['continue'],
  onMalformedChunk: 'fail',
};

/** A policy with what an overlay says in its place; the policy itself without one. */
export function overlayForwarding(
  policy: ForwardingPolicy,
  overlay: ForwardingOverlay | undefined,
): ForwardingPolicy {
  if (!overlay) return policy;
  return {
    ...policy,
    ...known(overlay),
    onFailure: { ...policy.onFailure, ...known(overlay.onFailure) },
    timeouts: overlayTimeouts(policy.timeouts, overlay.timeouts),
  } as ForwardingPolicy;
}

/** Timeouts with what others say in their place. */
export function overlayTimeouts(timeouts: Timeouts, overlay: Timeouts | undefined): Timeouts {
  return overlay ? { ...timeouts, ...known(overlay) } : timeouts;
}

/** What is said: an absent field must not undo the one below it. */
function known<Fields extends object>(fields: Fields | undefined): Fields {
  return Object.fromEntries(
    Object.entries(fields ?? {}).filter(([, value]) => value !== undefined),
  ) as Fields;
}
