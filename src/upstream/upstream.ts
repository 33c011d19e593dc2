import type { GatewayError } from '../errors.ts';
import { type Linked, LinkedQueue } from '../linked-queue.ts';
import { createObservations, type Observations } from '../routing/observations.ts';
import type { Runtime } from '../runtime.ts';
import type { Hints } from '../stores/hints.ts';
import { createProber } from './active-probe.ts';
import { createDrainer, type Drainer } from './drain.ts';
import type { Egress } from './egress.ts';
import { shareBreakers } from './health/breaker-hints.ts';
import { createHealths, type Healths } from './health/healths.ts';
import { RunningByKey } from './running-by-key.ts';
import { createWatch, type Watch } from './watch.ts';

/** A request that can be ended from outside. */
export interface Interruptible extends Linked<Interruptible> {
  /** Ends the request with an error in the caller's dialect, and settles it. */
  interrupt(error: GatewayError): void;
}

/** What all requests of one gateway share on their way to the providers. */
export interface Upstream {
  readonly egress: Egress;
  /** The state of every candidate: breakers, cool-downs, requests in flight. @internal */
  readonly healths: Healths;
  /** @internal */
  readonly drainer: Drainer;
  /** What attempts have observed of the candidates; route strategies use it. */
  readonly observations: Observations;
  /** Time limits on what is under way. @internal */
  readonly watch: Watch;
  /** Requests that wait for a provider or whose reply is under way. @internal */
  readonly running: LinkedQueue<Interruptible>;
  /** Those of them that end with their key. @internal */
  readonly runningByKey: RunningByKey;
  /** After `interrupt`: what requests that still come are refused with. */
  readonly refusal: GatewayError | undefined;
  /** Ends every running request, and refuses those that were on their way here. */
  interrupt(error: GatewayError): void;
  close(): Promise<void>;
}

/**
 * @param options.hints how nodes tell each other that a breaker opened. @default nobody is told
 * @param options.maxTargets how many candidates are remembered, some 8 KB each. @default 5_000
 */
export function createUpstream(
  egress: Egress,
  runtime: Runtime,
  options: { readonly maxTargets?: number; readonly hints?: Hints | undefined } = {},
): Upstream {
  const max = options.maxTargets ?? 5_000;
  const healths = createHealths(runtime, {
    max,
    prober: createProber(egress, runtime),
    onOpened: options.hints && ((id, forMs) => shared?.opened(id, forMs)),
  });
  const shared = options.hints && shareBreakers(options.hints, healths, runtime);
  const watch = createWatch(runtime);
  const running = new LinkedQueue<Interruptible>();
  let refusal: GatewayError | undefined;
  return {
    egress,
    healths,
    drainer: createDrainer(runtime),
    observations: createObservations(runtime, { maxCandidates: max }),
    watch,
    running,
    runningByKey: new RunningByKey(),
    get refusal() {
      return refusal;
    },
    interrupt(error) {
      refusal = error;
      for (const request of running.toArray()) request.interrupt(error);
    },
    async close() {
      watch.close();
      await shared?.close();
      healths.close();
      await egress.close();
    },
  };
}
