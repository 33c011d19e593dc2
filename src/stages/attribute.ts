import type { Arrival, Authorized } from '../context.ts';
import { type GatewayError, toGatewayError } from '../errors.ts';
import { costOf, type Price } from '../limits/price.ts';
import { withAttempts } from '../limits/sum-usage.ts';
import type { GatewayReply, Outcome } from '../message.ts';
import { whenEnded } from '../outcome.ts';
import { nothing, type Stage, toNoReply } from '../pipeline.ts';
import { quietly } from '../quietly.ts';
import type { RequestRecord } from '../telemetry/record.ts';
import type { UsageSink } from '../telemetry/sink.ts';
import { createSpans, type RequestSpan } from '../telemetry/span.ts';

/**
 * Writes one record and one span for each request, whatever happens to it. It comes first, so that a request whose key
 * is refused is recorded too; the stages after it note what they decide in `record`, which is written when the outcome
 * is known.
 */
export function attribute(options: { readonly sink: UsageSink }): Stage<Arrival, object> {
  const { sink } = options;
  const startSpan = createSpans();
  return {
    name: 'attribute',
    run(arrival, next) {
      const go = (span: RequestSpan) =>
        close(
          new Entry(arrival, span, sink),
          span.run(() => next(nothing)),
        );
      const span = startSpan(arrival);
      return span instanceof Promise ? span.then(go) : go(span);
    },
  };
}

// a separate function, so that what waits for the outcome holds the entry and not the request
function close(entry: Entry, reply: Promise<GatewayReply>): Promise<GatewayReply> {
  void reply.then(
    (reply: GatewayReply | undefined) =>
      reply ? writeLater(entry, reply.status, reply.outcome) : entry.writeError(toGatewayError(toNoReply())),
    (thrown: unknown) => entry.writeError(toGatewayError(thrown)),
  );
  return reply;
}

function writeLater(entry: Entry, status: number, outcome: Promise<Outcome>): void {
  whenEnded(outcome, (ended) => entry.write(status, ended));
}

/** A record while its request runs. It lives as long as a stream does, and so keeps nothing of the request itself. */
class Entry {
  readonly #id: string;
  readonly #operation: string;
  readonly #dialect: string;
  readonly #snapshot: Arrival['snapshot'];
  readonly #runtime: Arrival['runtime'];
  readonly #record: Arrival['record'];
  readonly #arrivedAtMs: number;
  readonly #startedAtMs: number;
  readonly #span: RequestSpan;
  readonly #sink: UsageSink;
  /** Known already if this runs after `authorizeModel`, as it does for copies, which have a price of their own. */
  readonly #price: Price | undefined;

  constructor(arrival: Arrival, span: RequestSpan, sink: UsageSink) {
    this.#id = arrival.id;
    this.#operation = arrival.endpoint.operation;
    this.#dialect = arrival.endpoint.dialect;
    this.#snapshot = arrival.snapshot;
    this.#runtime = arrival.runtime;
    this.#record = arrival.record;
    this.#arrivedAtMs = arrival.arrivedAtMs;
    this.#startedAtMs = arrival.runtime.now();
    this.#span = span;
    this.#sink = sink;
    this.#price = (arrival as Partial<Authorized>).model?.price;
  }

  write(status: number, outcome: Outcome): void {
    const record = this.#toRecord(status, outcome);
    // the caller's request must not fail because an exporter or a sink broke its promise not to throw
    quietly(() => this.#span.end(record))();
    quietly(() => this.#sink.write(record))();
  }

  writeError(error: GatewayError): void {
    this.write(error.status, { kind: this.#kindOf(error), errorCode: error.code, replyBytes: 0 });
  }

  /** A request that had been sent somewhere, or that met an outage, failed; any other was refused. */
  #kindOf(error: GatewayError): Outcome['kind'] {
    if (error.code === 'caller_gone') return 'aborted';
    return error.status >= 500 || this.#record.attempts.length > 0 ? 'failed' : 'refused';
  }

  #toRecord(status: number, outcome: Outcome): RequestRecord {
    // the draft becomes the record: nobody writes to it any more
    const record = this.#record;
    const price = this.#price ?? (record.model && this.#snapshot.findModel(record.model)?.price);
    record.id = this.#id;
    record.startedAtMs = this.#startedAtMs;
    record.durationMs = this.#runtime.monotonicMs() - this.#arrivedAtMs;
    record.operation = this.#operation;
    record.dialect = this.#dialect;
    record.snapshot = this.#snapshot.id;
    record.stream ??= false;
    record.requestBytes ??= 0;
    record.status = status;
    record.outcome = outcome.kind;
    record.replyBytes = outcome.replyBytes;
    if (outcome.errorCode !== undefined) record.errorCode = outcome.errorCode;
    // set already to what limits were charged with, if any
    if (outcome.usage) record.usage ??= withAttempts(outcome.usage, record.attempts);
    record.costNanoUsd = record.usage && price ? costOf(record.usage, price) : null;
    return record as RequestRecord;
  }
}
