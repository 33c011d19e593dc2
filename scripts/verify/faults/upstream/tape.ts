import { createFakeUpstream, type ScriptedReply } from '../../../../src/testing/fake-upstream/index.ts';
import type { Dialect } from '../dialects.ts';

/** What a provider answers to one request: recorded once, played as often as needed, with or without faults. */
export interface Tape {
  readonly contentType: string;
  readonly body: Buffer;
  /** The events of a stream, blank lines included; empty for a reply that is not streamed. */
  readonly events: readonly Buffer[];
  /** Whether the event at this place carries content. */
  readonly isContent: readonly boolean[];
}

/** The tapes of a dialect. */
export interface Tapes {
  readonly stream: Tape;
  readonly whole: Tape;
}

/** Records what the provider of a dialect answers, from the upstream that speaks every dialect's wire format. */
export async function recordTapes(dialect: Dialect, script: ScriptedReply): Promise<Tapes> {
  const upstream = await createFakeUpstream({ reply: () => script });
  try {
    const record = async (stream: boolean): Promise<Tape> => {
      const { path, body, headers } = dialect.toRequest('the-model', stream);
      const reply = await fetch(`${upstream.url}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
      });
      if (reply.status !== 200) throw new Error(`No tape: ${reply.status} ${await reply.text()}`);
      const bytes = Buffer.from(await reply.arrayBuffer());
      const events = stream ? toEvents(bytes) : [];
      return {
        contentType: reply.headers.get('content-type') ?? '',
        body: bytes,
        events,
        isContent: events.map((event) => dialect.textOfEvent(event.toString()) !== ''),
      };
    };
    return { stream: await record(true), whole: await record(false) };
  } finally {
    await upstream.close();
  }
}

function toEvents(bytes: Buffer): Buffer[] {
  return bytes
    .toString('latin1')
    .split(/(?<=\r?\n\r?\n)/)
    .map((event) => Buffer.from(event, 'latin1'));
}
