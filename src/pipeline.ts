import type { GatewayReply } from './message.ts';

/**
 * One step of the pipeline. It sees the facts gathered so far (`Needs` is the part it relies on). It may refuse by
 * throwing a `GatewayError` or answer by returning a reply of its own; otherwise it calls `next` with the facts it
 * adds and returns what `next` gives it. Facts are passed on, never written into the context.
 *
 * A stage with `Adds` of `never` is terminal: it has no `next` to call.
 */
export interface Stage<Needs extends object, Adds extends object> {
  /** For error messages and traces. */
  readonly name: string;
  /**
   * Starts in a microtask of its own, once all requests that arrived together have passed the stages before it, so that
   * its code is fetched once for all. The first stage always starts at once. @default false
   */
  readonly inStep?: boolean;
  // a property and not a method: the compiler checks parameters of methods only loosely
  readonly run: (context: Needs, next: (facts: Adds) => Promise<GatewayReply>) => Promise<GatewayReply>;
}

/** What the compiler error names when a terminal stage is not put at the end. */
interface MustComeLast {
  readonly thisStageCallsNoNextSoItBelongsInEnd: never;
}

/** A pipeline that still lacks its terminal stage: `Start` is what each run begins with, `Facts` what is known by now. */
export interface OpenPipeline<Start extends object, Facts extends object> {
  /** Appends a stage. Does not compile when the stage needs a fact that no stage before it adds. */
  use<Adds extends object>(
    stage: Stage<Facts, Adds> & ([Adds] extends [never] ? MustComeLast : unknown),
  ): OpenPipeline<Start, Facts & Adds>;
  /** Closes the pipeline with a stage that calls no `next`. */
  end(stage: Stage<Facts, never>): Pipeline<Start>;
}

/** A finished pipeline. It is immutable and shares no state with any other. */
export interface Pipeline<Start extends object> {
  /** Names of the stages in order. */
  readonly stages: readonly string[];
  /** Runs all stages. Rejects with whatever a stage threw. */
  run(start: Start): Promise<GatewayReply>;
}

/** What a stage hands to `next` when it adds no facts; spares the engine a copy of the context. */
export const nothing: Readonly<Record<never, never>> = Object.freeze({});

// Inside the engine the facts are untyped: the compiler has checked them at `use` and `end`.
type AnyStage = Stage<object, object>;

/**
 * Starts a pipeline. Every `use` returns a new one, so a prefix can be shared.
 *
 * @example
 * const pipeline = createPipeline<Arrival>()
 *   .use(attribute({ sink }))
 *   .use(resolveKey({ resolver }))
 *   .use(readCall())
 *   .use(authorizeModel())
 *   .use(rateLimit({ ledger }))
 *   .use(route())
 *   .end(forwardWithFallback({ upstream }));
 */
export function createPipeline<Start extends object>(): OpenPipeline<Start, Start> {
  return extend<Start, Start>([]);
}

function extend<Start extends object, Facts extends object>(
  stages: readonly AnyStage[],
): OpenPipeline<Start, Facts> {
  return {
    use: (stage) => extend([...stages, stage as unknown as AnyStage]),
    end: (stage) => compose([...stages, stage as unknown as AnyStage]),
  };
}

function compose(stages: readonly AnyStage[]): Pipeline<object> {
  return {
    stages: stages.map((stage) => stage.name),
    run: (start) => runStage(stages, 0, start),
  };
}

/** The context with more facts. While all contexts have one shape (see `toArrival`), this is a plain copy of memory. */
function extended(context: object, facts: object): object {
  const copy: Record<string, unknown> = { ...context };
  // storing a stage's few facts one by one is faster than `Object.assign`, which is a call into the runtime
  for (const name in facts) copy[name] = (facts as typeof copy)[name];
  return copy;
}

const settled = Promise.resolve();

function runStage(stages: readonly AnyStage[], index: number, context: object): Promise<GatewayReply> {
  const stage = stages[index];
  if (!stage)
    throw new TypeError(`Stage "${stages[index - 1]?.name}" ends the pipeline and must not call next().`);
  let called = false;
  try {
    const reply = stage.run(context, (facts) => {
      if (called) throw new TypeError(`Stage "${stage.name}" called next() more than once.`);
      called = true;
      const go = () => runStage(stages, index + 1, facts === nothing ? context : extended(context, facts));
      return stages[index + 1]?.inStep ? settled.then(go) : go();
    });
    if (reply === undefined) throw toNoReply(`Stage "${stage.name}"`);
    return reply;
  } catch (error) {
    // a stage with nothing to wait for need not be async: what it throws rejects as if it were
    return Promise.reject(error);
  }
}

/** For a mistake in a stage that the compiler would have refused. */
export function toNoReply(who = 'A stage'): TypeError {
  return new TypeError(`${who} returned no reply: return what next() gave it.`);
}
