import type { GatewayErrorCode } from '../../../../src/errors.ts';
import type { FailureClass } from '../../../../src/routing/forwarding.ts';
import type { Fault } from '../upstream/faults.ts';

/** A number, or the least and the most. */
export type Count = number | readonly [least: number, most: number];

/** What the caller finds. */
export type CallerGets =
  /** A whole answer of one of the targets. */
  | { readonly what: 'answer'; readonly from: 'first' | 'second' }
  /** A whole answer whose beginning is the first target's and whose end is the second's, as if it were one. */
  | { readonly what: 'rescued answer' }
  /** An error in the caller's dialect in place of an answer. */
  | {
      readonly what: 'error';
      readonly status: number;
      readonly code: GatewayErrorCode;
      /** Whether libraries are told to try again. */
      readonly retryable?: boolean;
      /** Whether `retry-after` must be there. */
      readonly wait?: boolean;
    }
  /** Content, then an error in the caller's dialect, and no end that could be taken for one. */
  | { readonly what: 'stream error'; readonly codes: readonly GatewayErrorCode[] }
  /** The provider's own word on a bad request. */
  | { readonly what: 'refusal'; readonly status: number }
  /** The connection is broken off, where the protocol has no other way to say it. */
  | { readonly what: 'broken connection'; readonly code: GatewayErrorCode };

/**
 * What is counted: `nothing`; the `input`, by estimate; what was `delivered`: the input, and at least as much output as the
 * caller got; the `actual` use that the provider reported; `both`: more than that, for what another target had begun; an
 * `estimate` for a whole answer whose use is not known.
 */
export type Charge = 'nothing' | 'input' | 'delivered' | 'estimate' | 'actual' | 'both';

/** What must hold of one case, from both sides. */
export interface Expectation {
  readonly caller: CallerGets;
  /** Requests that reached the first and the second target, heads counted. */
  readonly first: Count;
  readonly second?: Count;
  /** Attempts on record. @default first and second together */
  readonly attempts?: Count;
  /** What the record calls the failed attempts, in order, the last one repeated. @default not looked at */
  readonly failures?: readonly FailureClass[];
  readonly charged: Charge;
  /** The whole of it, from the request being sent. */
  readonly withinMs?: number;
}

/** What is configured besides the targets. Times are short, so that nobody waits for the defaults. */
export interface Policy {
  readonly maxAttempts?: number;
  readonly totalMs?: number;
  readonly connectMs?: number;
  readonly headersMs?: number;
  readonly firstTokenMs?: number;
  readonly idleMs?: number;
  readonly commit?: 'content' | 'complete';
  readonly rescue?: readonly ('continue' | 'restart')[];
  readonly onMalformedChunk?: 'fail' | 'skip';
  readonly hedgeAfterMs?: number;
  readonly onFailure?: Readonly<Partial<Record<FailureClass, 'retry' | 'next-target' | 'stop'>>>;
}

/** One thing that goes wrong, and what is expected of it. */
export interface FaultCase {
  /** What is special about it, as the end of a sentence; '' where it is the row itself. */
  readonly name: string;
  /** The nth for the nth request of the first target, the last one for all that follow. */
  readonly faults: readonly Fault[];
  /** What the second target does; `none`: there is none. @default none */
  readonly second?: readonly Fault[] | 'none';
  /** A first target that cannot be reached. @default the fault upstream */
  readonly place?: 'refused' | 'tls-expired' | 'tls-wrong-host' | 'tls-self-signed' | 'tls-plain';
  readonly mode: 'stream' | 'whole' | 'both';
  readonly policy?: Policy;
  /** Requests that are made before, on the same connection; their answers are not looked at. @default 0 */
  readonly before?: number;
  readonly expect: Expectation;
  /** Takes more than a second or much memory: run by `verify:faults`, and not by the tests. */
  readonly isHeavy?: boolean;
  /** Only these dialects. @default all */
  readonly dialects?: readonly string[];
}

/** A kind of fault. */
export interface FaultRow {
  /** Short, and stable: what the matrix and the guide call it. */
  readonly id: string;
  /** What happens, as a sentence. */
  readonly title: string;
  /** What there is to know besides the cases, for the guide. */
  readonly note?: string;
  readonly cases: readonly FaultCase[];
  /** Names of scenarios: what is not one request and one answer. */
  readonly scenarios?: readonly string[];
}
