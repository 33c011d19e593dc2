import type { Call } from '../call.ts';
import { dialectByName } from '../dialects/index.ts';
import type { SpliceMode, StreamSplicer } from '../dialects/splicer.ts';
import type { GatewayError } from '../errors.ts';
import { readMember, scanJsonObject } from '../json/scan.ts';
import { setMembers, spliceJson } from '../json/splice.ts';
import { withAttempts } from '../limits/sum-usage.ts';
import type { Candidate } from '../routing/plan.ts';
import { noteTarget } from '../telemetry/record.ts';
import { leave } from './attempt-entry.ts';
import { concatBytes, type Part, textOf } from './bytes.ts';
import type { EgressBody } from './egress.ts';
import { dataOf, splitEvents } from './events.ts';
import { AttemptFailure, toBrokenReply } from './failure.ts';
import type { Forwarding } from './forwarding.ts';
import type { Inspector } from './inspector.ts';
import type { RelaySource, Rescuer } from './relay.ts';
import { SplicedInspector } from './spliced-inspector.ts';
import type { Served, TrialContext } from './trial.ts';

/** This much of what went out is kept before it is parsed. */
const digestBytes = 32_768;
/** This many bytes are gathered before they become text: one text for several deltas. */
const gatherBytes = 1_024;

/** Keeps what went out of a stream, and continues it when it breaks. */
export class StreamRescuer implements Rescuer {
  readonly #context: TrialContext;
  readonly #forwarding: Forwarding;
  readonly #makeSplicer: () => StreamSplicer | undefined;
  readonly #mostBytes: number;
  /** Made when there is something to parse, which most streams never reach. */
  #splicer: StreamSplicer | undefined;
  /** One character per byte. */
  #unread = '';
  /** What went out after `#unread`; a copy, since a chunk that was handed out may be changed. */
  #gathered: Buffer | undefined;
  #gatheredBytes = 0;
  #readBytes = 0;
  /** Whether nobody waits any more. */
  #isOver = false;
  /** The body being read until it says something new. */
  #aligning: EgressBody | undefined;

  /**
   * @param makeSplicer returns undefined when the stream cannot be continued
   * @param mostBytes a stream of which more went out is not continued
   */
  constructor(
    context: TrialContext,
    forwarding: Forwarding,
    makeSplicer: () => StreamSplicer | undefined,
    mostBytes: number,
  ) {
    this.#context = context;
    this.#forwarding = forwarding;
    this.#makeSplicer = makeSplicer;
    this.#mostBytes = mostBytes;
  }

  delivered(part: Part): void {
    // nothing else here: it runs for every delta of a stream
    if (this.#gatheredBytes + part.length > gatherBytes || typeof part === 'string') {
      this.#unread += this.#takeGathered() + textOf(part);
      if (this.#unread.length >= digestBytes) this.#digest();
      return;
    }
    this.#gathered ??= Buffer.allocUnsafeSlow(gatherBytes);
    this.#gathered.set(part, this.#gatheredBytes);
    this.#gatheredBytes += part.length;
  }

  giveUp(): void {
    this.#isOver = true;
    this.#aligning?.cancel();
    // whoever still refers to the stream need not keep its content
    this.#unread = '';
    this.#gathered = undefined;
    this.#gatheredBytes = 0;
  }

  async rescue(error: GatewayError, broken: RelaySource): Promise<RelaySource | undefined> {
    const { request, record, upstreamHolds } = this.#context;
    if (request.signal.aborted) return undefined;
    this.#digest();
    const splicer = this.#splicer;
    if (splicer?.text === undefined) return undefined;
    const kind = error.code === 'upstream_timeout' ? 'timeout' : 'broken-stream';
    const failure = new AttemptFailure(kind, error, error.code);
    this.#forwarding.noteBroken(failure);
    const usage = broken.inspector.usage();
    // the continuation may need the slot that it held
    upstreamHolds?.serve(undefined, usage);
    for (const mode of this.#context.plan.forwarding.rescue) {
      if (this.#isOver) return undefined;
      const source = await this.#try(mode, splicer, failure, broken).catch(() => undefined);
      if (!source) continue;
      record.rescue = [...(record.rescue ?? []), mode];
      if (usage && broken.passage) broken.passage.record.usage = usage;
      upstreamHolds?.serve(source.passage?.hold);
      return source;
    }
    return undefined;
  }

  async #try(
    mode: SpliceMode,
    splicer: StreamSplicer,
    broke: AttemptFailure,
    broken: RelaySource,
  ): Promise<RelaySource | undefined> {
    const call = mode === 'restart' ? this.#context.call : this.#continuation(splicer);
    if (!call) return undefined;
    const accepts = mode === 'restart' ? undefined : ({ target }: Candidate) => target.continues === true;
    const { record } = this.#context;
    for (let failure = broke; ; ) {
      const served = await this.#forwarding.goOn(failure, call, { action: 'retry', accepts });
      const { reply, passage, candidate } = served;
      const spent = withAttempts(broken.inspector.usage(), record.attempts);
      const inspector = new SplicedInspector(reply.inspector, splicer.splice(mode, spent));
      const source = this.#isOver ? undefined : await this.#align(served, inspector).catch(toBrokenReply);
      // its end says nothing about its target
      if (this.#isOver) return void this.#leave(served, 'cancelled', inspector);
      if (!(source instanceof AttemptFailure)) {
        if (!source) return void this.#leave(served, 'says something else', inspector);
        noteTarget(record, candidate);
        return { ...source, inspector, passage };
      }
      // it broke before it said anything new: try the next one
      failure = source;
      passage.health.broke(passage.wasProbe);
      this.#leave(served, failure.reason, inspector);
      this.#forwarding.noteBroken(failure);
    }
  }

  #leave({ reply, passage }: Served, why: string, inspector: Inspector): void {
    reply.rest?.body.cancel();
    leave(passage, why, inspector.usage(), this.#context.upstreamHolds);
  }

  /**
   * Reads on until something new comes. Undefined when the other stream says something else, or ends before.
   *
   * @throws the error that broke its connection, or the one in the stream that ends it
   */
  async #align(
    { reply }: Served,
    inspector: SplicedInspector,
  ): Promise<Omit<RelaySource, 'inspector'> | undefined> {
    const fresh = [inspector.spliced(reply.bytes ?? new Uint8Array(0))];
    const { rest } = reply;
    if (!rest) return inspector.isReady && !inspector.failure ? toWhole(fresh) : undefined;
    this.#aligning = rest.body;
    while (!inspector.isReady && !inspector.failure) {
      const step = await rest.chunks.next();
      if (step.done) {
        const { error } = inspector.end();
        if (error) throw error;
        return undefined;
      }
      fresh.push(inspector.chunk(step.value));
    }
    if (inspector.failure) {
      if (inspector.saysOther) return undefined;
      throw inspector.failure;
    }
    this.#aligning = undefined;
    return { body: rest.body, chunks: rest.chunks, first: concatBytes(fresh) };
  }

  #continuation(splicer: StreamSplicer): Call | undefined {
    const { call } = this.#context;
    const { members, body } = call;
    const changed = splicer.continuation();
    if (!members || !changed) return undefined;
    const next = spliceJson(body, setMembers(members, changed));
    return { ...call, body: next, memory: undefined, members: scanJsonObject(next) };
  }

  #takeGathered(): string {
    const text = this.#gathered?.toString('latin1', 0, this.#gatheredBytes) ?? '';
    this.#gatheredBytes = 0;
    return text;
  }

  /** Parses what is kept, if the stream may still be continued. */
  #digest(): void {
    const unread = this.#unread + this.#takeGathered();
    this.#unread = '';
    const isFirst = this.#readBytes === 0;
    this.#readBytes += unread.length;
    if (isFirst) this.#splicer = this.#makeSplicer();
    if (this.#readBytes > this.#mostBytes) this.#splicer = undefined;
    if (!this.#splicer) return;
    for (const event of splitEvents(Buffer.from(unread, 'latin1').toString())) {
      const data = dataOf(event);
      if (data !== '') this.#splicer.delivered(data);
    }
  }
}

/** A body that has come already. */
function toWhole(chunks: readonly Uint8Array[]): Omit<RelaySource, 'inspector'> {
  const over = { done: true, value: undefined } as const;
  const iterator = { next: () => Promise.resolve(over) };
  return {
    body: {
      collect: () => Promise.resolve({ bytes: new Uint8Array(0), ended: true }),
      cancel: () => undefined,
      [Symbol.asyncIterator]: () => iterator,
    },
    chunks: iterator,
    first: concatBytes(chunks),
  };
}

/**
 * Makes the splicer of a candidate's stream; undefined when nothing in the plan could continue it when it breaks. The
 * function returns undefined for a request whose stream cannot be continued.
 */
export function splicerMaker(
  { call, plan }: Pick<TrialContext, 'call' | 'plan'>,
  { target }: Candidate,
): (() => StreamSplicer | undefined) | undefined {
  const { members, body, endpoint } = call;
  const { createSplicer } = dialectByName[endpoint.dialect];
  if (!members || !createSplicer || !mayRescue(plan)) return undefined;
  const own = target.overrides?.body ?? {};
  return () =>
    createSplicer((name) => {
      if (Object.hasOwn(own, name)) return own[name];
      return members.has(name) ? readMember(body, members, name) : undefined;
    });
}

function mayRescue(plan: TrialContext['plan']): boolean {
  const { rescue } = plan.forwarding;
  if (rescue.length === 0) return false;
  return rescue.includes('restart') || plan.candidates.some(({ target }) => target.continues === true);
}
