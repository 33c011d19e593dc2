import type { Arrival } from '../context.ts';
import { type GatewayError, toGatewayError } from '../errors.ts';
import { costOf } from '../limits/price.ts';
import type { GatewayReply, Outcome } from '../message.ts';
import { nothing, type Stage } from '../pipeline.ts';
import type { RequestRecord } from '../telemetry/record.ts';
import type { UsageSink } from '../telemetry/sink.ts';
import { startSpan } from '../telemetry/span.ts';

/**
 * Leaves one record and one span for each request, whatever becomes of it. It stands first, so that a request whose key
 * is refused is on record too; the stages behind it note what they decide in `record`, and it is written when the
 * outcome is known.
 */
export function attribute(options: { readonly sink: UsageSink }): Stage<Arrival, object> {
  return {
    name: 'attribute',
    async run(arrival, next) {
      const span = startSpan(arrival);
      const startedAtMs = arrival.runtime.now();
      const finish = (status: number, outcome: Outcome) => {
        const record = toRecord(arrival, startedAtMs, status, outcome);
        span.end(record);
        try {
          options.sink.write(record);
        } catch {
          // the caller's request must not fail because a sink broke its promise not to throw
        }
      };
      let reply: GatewayReply;
      try {
        reply = await span.run(() => next(nothing));
      } catch (thrown) {
        const error = toGatewayError(thrown);
        finish(error.status, { kind: kindOf(error, arrival), errorCode: error.code, replyBytes: 0 });
        throw thrown;
      }
      void reply.outcome.then((outcome) => finish(reply.status, outcome));
      return reply;
    },
  };
}

/** A request that had been sent somewhere, or that met an outage, failed; any other was refused. */
function kindOf(error: GatewayError, { record }: Arrival): Outcome['kind'] {
  if (error.code === 'caller_gone') return 'aborted';
  return error.status >= 500 || record.attempts.length > 0 ? 'failed' : 'refused';
}

function toRecord(
  { id, endpoint, snapshot, runtime, arrivedAtMs, record }: Arrival,
  startedAtMs: number,
  status: number,
  outcome: Outcome,
): RequestRecord {
  const price = record.model === undefined ? undefined : snapshot.findModel(record.model)?.price;
  // the draft becomes the record: nobody writes to it any more
  record.id = id;
  record.startedAtMs = startedAtMs;
  record.durationMs = runtime.monotonicMs() - arrivedAtMs;
  record.operation = endpoint.operation;
  record.dialect = endpoint.dialect;
  record.snapshot = snapshot.id;
  record.stream ??= false;
  record.requestBytes ??= 0;
  record.status = status;
  record.outcome = outcome.kind;
  record.replyBytes = outcome.replyBytes;
  record.costNanoUsd = outcome.usage && price ? costOf(outcome.usage, price) : null;
  if (outcome.errorCode !== undefined) record.errorCode = outcome.errorCode;
  if (outcome.usage) record.usage = outcome.usage;
  return record as RequestRecord;
}
