import type { Arrival, Authorized, Identified, Received, Reserved } from '../../context.ts';
import type { DialectName } from '../../dialects/dialect.ts';
import type { Operation } from '../../dialects/endpoint.ts';
import { estimateInputTokens } from '../../limits/estimate.ts';
import { noLimitStates } from '../../limits/limit-states.ts';
import type { HeaderMap } from '../../message.ts';
import type { Metadata } from '../../metadata.ts';
import { hasImages, hasTools } from './content.ts';
import { matchesAnyText } from './text.ts';

/** What routes match on, and what a `when` function receives. Costly facts are computed when read. */
export interface RouteFacts {
  /** The public name, after aliases, pins and families; undefined for requests that name none. */
  readonly model: string | undefined;
  readonly team: string;
  readonly project: string | undefined;
  /** Id of the key. */
  readonly key: string;
  readonly user: string | undefined;
  readonly dialect: DialectName;
  readonly operation: Operation;
  readonly metadata: Metadata;
  /** As received, including the caller's credential. */
  readonly headers: HeaderMap;
  /** Estimated tokens of the input. */
  readonly inputTokens: number;
  readonly stream: boolean;
  /** Whether the request brings tools. */
  readonly tools: boolean;
  /** Whether it contains images. */
  readonly images: boolean;
  /** Milliseconds since the epoch. */
  readonly nowMs: number;
  /**
   * The percentage spent of the request's most used limit, including what it holds itself.
   *
   * @param labels Which limits, by label; a final `*` matches any ending. @default budgets: `usd` and `tokens`
   */
  spentPercent(labels?: readonly string[]): number;
}

/** The stages a request must have passed to be routed. */
export type RoutingContext = Arrival & Identified & Received & Authorized & Partial<Reserved>;

/** The facts of a request. */
export function toRouteFacts(context: RoutingContext): RouteFacts {
  return new Facts(context);
}

class Facts implements RouteFacts {
  readonly #context: RoutingContext;

  constructor(context: RoutingContext) {
    this.#context = context;
  }

  get model() {
    return this.#context.model?.name;
  }

  get team() {
    return this.#context.principal.team;
  }

  get project() {
    return this.#context.principal.project;
  }

  get key() {
    return this.#context.principal.key;
  }

  get user() {
    return this.#context.principal.user;
  }

  get dialect() {
    return this.#context.endpoint.dialect;
  }

  get operation() {
    return this.#context.endpoint.operation;
  }

  get metadata() {
    return this.#context.metadata;
  }

  get headers() {
    return this.#context.request.headers;
  }

  get inputTokens() {
    return estimateInputTokens(this.#context.call);
  }

  get stream() {
    return this.#context.call.stream;
  }

  get tools() {
    return hasTools(this.#context.call);
  }

  get images() {
    return hasImages(this.#context.call);
  }

  get nowMs() {
    return this.#context.runtime.now();
  }

  spentPercent(labels?: readonly string[]): number {
    const states = this.#context.limitStates ?? noLimitStates;
    return states.spentPercent(
      labels
        ? ({ label }) => matchesAnyText(labels, label)
        : ({ unit }) => unit === 'usd' || unit === 'tokens',
    );
  }
}
