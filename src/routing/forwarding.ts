/** What went wrong with an attempt. The policy decides what follows, see `FailureAction`. */
export type FailureClass =
  /** No connection: refused, not found, not trusted, too slow to connect. Nothing reached the provider. */
  | 'not-sent'
  /** 429: enough requests or tokens for the moment. */
  | 'refused'
  /** 503 and 529 before any output. */
  | 'overloaded'
  /** Any other 5xx, and statuses that no provider of this kind sends. */
  | 'server-error'
  /** The request was written, but its fate is unknown: the connection broke or time ran out before a status came. */
  | 'uncertain'
  /** No first token, or a stall. */
  | 'timeout'
  /** A reply that had begun ended early or with an error. */
  | 'broken-stream'
  /** Not a reply of this provider: HTML, a redirect, broken JSON, a compressed or empty one. */
  | 'invalid-reply'
  /** 401, 403: the credential is not accepted. */
  | 'credential'
  /** The account behind the credential has no money or quota left. */
  | 'quota'
  /** The request exceeds the model's context window. */
  | 'context-too-long'
  /** The provider's content filter refused it. */
  | 'content-refused'
  /** The request itself is wrong. */
  | 'bad-request';

/**
 * What follows a failed attempt: `retry` tries others first, and may try the same target again after a pause;
 * `next-credential` another credential of the target, then other targets; `next-target` another target; `stop` none.
 */
export type FailureAction = 'retry' | 'next-credential' | 'next-target' | 'stop';

/** How long things may take. Absent: the provider's own setting, or unbounded. */
export interface Timeouts {
  readonly connectMs?: number | undefined;
  /** From sending the request to the status of the reply. */
  readonly headersMs?: number | undefined;
  /** From sending the request to the first content of a stream. */
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
  /** When a reply goes out: at its first content, or when complete. */
  readonly commit: 'content' | 'complete';
  /** What is tried, in this order, when a stream breaks after content went out. Empty: the caller gets the error. */
  readonly rescue: readonly ('continue' | 'restart')[];
  /** If the first attempt has no content after this long, a second begins at the next candidate; the faster wins. */
  readonly hedgeAfterMs?: number | undefined;
  /** What happens to a stream when a chunk violates the protocol. */
  readonly onMalformedChunk: 'fail' | 'skip';
}

/** A route's or target's own forwarding settings; what it leaves out stays unchanged. */
export type ForwardingOverlay = {
  readonly [Field in Exclude<keyof ForwardingPolicy, 'onFailure' | 'timeouts'>]?:
    | ForwardingPolicy[Field]
    | undefined;
} & {
  readonly onFailure?: Partial<Record<FailureClass, FailureAction | undefined>> | undefined;
  readonly timeouts?: Timeouts | undefined;
};

/** Applies to requests unless the configuration says otherwise. */
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

/** A policy with an overlay's settings; the policy itself without one. */
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

/** Timeouts with those of the overlay. */
export function overlayTimeouts(timeouts: Timeouts, overlay: Timeouts | undefined): Timeouts {
  return overlay ? { ...timeouts, ...known(overlay) } : timeouts;
}

/** The fields that are set: an undefined one must not undo the one it overlays. */
function known<Fields extends object>(fields: Fields | undefined): Fields {
  return Object.fromEntries(
    Object.entries(fields ?? {}).filter(([, value]) => value !== undefined),
  ) as Fields;
}
