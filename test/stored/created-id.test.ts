import { describe, expect, it } from 'vitest';
import { type ChunkReceiver, type GatewayReply, isPulledBody, type ReplyBody } from '../../src/message.ts';
import { withCreatedId } from '../../src/stored/created-id.ts';

const encode = (text: string) => new TextEncoder().encode(text);
const created =
  'event: response.created\ndata: {"type":"response.created","response":{ "id" : "resp_68af_-Z","n":1}}\n\n';
const delta = 'data: {"type":"response.output_text.delta","item_id":"msg_1","delta":"ä"}\n\n';
const stream = created + delta.repeat(3);

function toReply(body: ReplyBody): GatewayReply {
  return { status: 200, headers: {}, body, outcome: Promise.resolve({ kind: 'complete', replyBytes: 0 }) };
}

/** A body that is pulled without promises, as those of relayed streams are. */
function toPulled(chunks: readonly Uint8Array[], asText: boolean) {
  let at = 0;
  const next = async (): Promise<IteratorResult<Uint8Array>> => {
    const value = chunks[at++];
    return value ? { done: false, value } : { done: true, value: undefined };
  };
  const read = (receiver: ChunkReceiver) => {
    const value = chunks[at++];
    queueMicrotask(() => {
      if (!value) receiver.end();
      else if (asText && receiver.text) receiver.text(Buffer.from(value).toString('latin1'));
      else receiver.chunk(value);
    });
  };
  return { [Symbol.asyncIterator]: () => ({ next, read }) };
}

/** Reads a reply to its end, the way it offers. */
async function readAll(body: ReplyBody, takesText: boolean): Promise<Buffer> {
  const taken: Uint8Array[] = [];
  if (body instanceof Uint8Array) return Buffer.from(body);
  const iterator = body[Symbol.asyncIterator]();
  for (;;) {
    const isOver = await (isPulledBody(iterator)
      ? new Promise<boolean>((resolve, reject) => {
          const take = (bytes: Uint8Array) => {
            taken.push(bytes);
            resolve(false);
          };
          iterator.read({
            chunk: take,
            ...(takesText && { text: (latin1: string) => take(Buffer.from(latin1, 'latin1')) }),
            end: () => resolve(true),
            fail: reject,
          });
        })
      : iterator.next().then(({ done, value }) => {
          if (!done) taken.push(value);
          return done === true;
        }));
    if (isOver) return Buffer.concat(taken);
  }
}

function split(text: string, size: number): Uint8Array[] {
  const bytes = encode(text);
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
    bytes.subarray(index * size, (index + 1) * size),
  );
}

describe('the id of what a reply creates', () => {
  it('is told of a reply that is there at once', () => {
    const told: string[] = [];
    const reply = toReply(encode('{"id":"msgbatch_01","type":"message_batch"}'));
    expect(withCreatedId(reply, (id) => told.push(id))).toBe(reply);
    expect(told).toEqual(['msgbatch_01']);
  });

  for (const size of [1, 7, 61, 10_000]) {
    for (const how of ['iterated', 'pulled as bytes', 'pulled as text'] as const) {
      it(`is told once of a stream in chunks of ${size}, ${how}, of which nothing is changed`, async () => {
        const told: string[] = [];
        const chunks = split(stream, size);
        const body =
          how === 'iterated'
            ? (async function* () {
                yield* chunks;
              })()
            : toPulled(chunks, how === 'pulled as text');
        const reply = withCreatedId(toReply(body), (id) => told.push(id));
        expect((await readAll(reply.body, how === 'pulled as text')).toString()).toBe(stream);
        expect(told).toEqual(['resp_68af_-Z']);
      });
    }
  }

  it('is looked for at the beginning only, and no part of it is told', async () => {
    const told: string[] = [];
    const text = `${delta.repeat(1_000)}${created}`;
    const reply = withCreatedId(toReply(toPulled(split(text, 500), false)), (id) => told.push(id));
    expect((await readAll(reply.body, false)).toString()).toBe(text);
    const cut = withCreatedId(toReply(toPulled([encode('{"id":"resp_1')], false)), (id) => told.push(id));
    await readAll(cut.body, false);
    expect(told).toEqual([]);
  });
});
