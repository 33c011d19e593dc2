import type { Outcome, Usage } from '../message.ts';

/** One attempt at one target, as recorded. */
export interface AttemptRecord {
  /** `provider/model#credential`. */
  readonly target: string;
  /** HTTP status of the reply; a failed one is in `failure`. */
  readonly status?: number;
  /** Why the attempt failed; absent for the one that served. */
  readonly failure?: string;
  readonly durationMs: number;
  /**
   * What it may have cost although another attempt was faster (`superseded`), or continued it when it broke; part of
   * the record's usage. Estimated if the provider had not reported it when it was ended.
   */
  readonly usage?: Usage;
}

/** The one attributed row a request leaves, however it ends. */
export interface RequestRecord {
  readonly id: string;
  /** When the request arrived, milliseconds since the epoch. */
  readonly startedAtMs: number;
  readonly durationMs: number;
  /** From arrival to the first byte of the provider's reply; absent when none came. */
  readonly firstByteMs?: number;
  readonly operation: string;
  readonly dialect: string;
  readonly stream: boolean;
  readonly key?: string;
  readonly team?: string;
  readonly project?: string;
  readonly user?: string;
  readonly application?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** What the request sent in `x-headgate-metadata`. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** The agent run that it is part of. */
  readonly run?: string;
  /** Whose credential paid the provider; absent when nothing was sent. */
  readonly billing?: 'standard' | 'byok' | 'passthrough';
  /** The model as the caller named it. */
  readonly requestedModel?: string;
  /** Its public name in the catalog. */
  readonly model?: string;
  /** The route that decided where it went; absent where the model's own targets served. */
  readonly route?: string;
  /** The arm of a test it was assigned to, whichever target served. */
  readonly arm?: string;
  /** Set on the record of a copy that a route had made: the id of the copied request. */
  readonly mirrorOf?: string;
  /** The target that served. */
  readonly target?: string;
  readonly attempts: readonly AttemptRecord[];
  readonly outcome: Outcome['kind'];
  /** Status the caller got. */
  readonly status: number;
  readonly errorCode?: string;
  /** The provider's code for the error, if it gave one. */
  readonly upstreamError?: string;
  readonly usage?: Usage;
  /** Integer nano-USD; null when the price or the usage is unknown, never 0 for that. */
  readonly costNanoUsd: number | null;
  readonly requestBytes: number;
  readonly replyBytes: number;
  /** The configuration snapshot that decided. */
  readonly snapshot: string;
  /** Limits in `warn` mode that were exceeded. */
  readonly warnings?: readonly string[];
  /** Limits in `shadow` mode that would have refused it. */
  readonly shadowDenied?: readonly string[];
  /** How long it waited for room in a limit, see `throttleMs`; absent when it did not. */
  readonly throttledMs?: number;
  /** True when its limits were decided while their ledger could not be asked. */
  readonly degraded?: boolean;
  /** True when the reply came from the idempotency cache and nothing was sent upstream. */
  readonly replayed?: boolean;
  /** How a stream that broke after content went out was continued, each time. Its usage is the sum of all. */
  readonly rescue?: readonly ('continue' | 'restart')[];
}

type Mutable<T> = { -readonly [Name in keyof T]: T[Name] };

/** A record while its request runs. Stages write what they decide; only `attribute` reads it. */
export type RecordDraft = Mutable<Partial<Omit<RequestRecord, 'attempts'>>> & {
  attempts: readonly AttemptRecord[];
};

/** Every field is there from the start, so that all records have one shape and none grows on the request path. */
const empty = {
  id: undefined,
  startedAtMs: undefined,
  durationMs: undefined,
  firstByteMs: undefined,
  operation: undefined,
  dialect: undefined,
  stream: undefined,
  key: undefined,
  team: undefined,
  project: undefined,
  user: undefined,
  application: undefined,
  labels: undefined,
  metadata: undefined,
  run: undefined,
  billing: undefined,
  requestedModel: undefined,
  model: undefined,
  route: undefined,
  arm: undefined,
  mirrorOf: undefined,
  target: undefined,
  // shared by all: `noteAttempt` makes a new one
  attempts: Object.freeze([]),
  outcome: undefined,
  status: undefined,
  errorCode: undefined,
  upstreamError: undefined,
  usage: undefined,
  costNanoUsd: undefined,
  requestBytes: undefined,
  replyBytes: undefined,
  snapshot: undefined,
  warnings: undefined,
  shadowDenied: undefined,
  throttledMs: undefined,
  degraded: undefined,
  replayed: undefined,
  rescue: undefined,
};

/**
 * An empty draft. A copy, not a literal: sinks keep the first thousand, from which V8 would conclude that what a
 * literal makes here lives long, and allocate all later ones among its old objects.
 */
export function createDraft(): RecordDraft {
  // unset fields are undefined, which the optional fields of the type cannot express
  return { ...empty } as unknown as RecordDraft;
}

/** Another attempt at a target. */
export function noteAttempt(record: RecordDraft, attempt: AttemptRecord): void {
  const { attempts } = record;
  if (attempts.length === 0) {
    // most have one. A copy, for the draft's reason; and `push` would make room for seventeen
    const only = one.slice();
    only[0] = attempt;
    record.attempts = only;
  } else {
    record.attempts = attempts.concat(attempt);
  }
}

/** Who serves a request, and who pays for it if the targets of its plan differ in that. */
export function noteTarget(
  record: RecordDraft,
  {
    target,
    billing,
  }: { readonly target: { readonly id: string }; readonly billing?: RecordDraft['billing'] },
): void {
  record.target = target.id;
  if (billing !== undefined) record.billing = billing;
}

const one: AttemptRecord[] = [{ target: '', durationMs: 0 }];
