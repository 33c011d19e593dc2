import { createClient, type Got } from '../faults/client.ts';
import { type Dialect, dialects } from '../faults/dialects.ts';
import { answerText } from '../faults/run-case.ts';
import type { Gateways } from './gateways.ts';

/** One request of the soak, as its caller saw it. */
export interface Asked {
  readonly arrivedMs: number;
  /** `answered` whole; `lost` when its gateway was killed after some of the answer had come; else what it ended with. */
  readonly end: string;
  /** The id that the reply had; undefined where none came. */
  readonly id: string | undefined;
  /** At which gateway it ended, and when. */
  readonly place: number;
  readonly endedMs: number;
}

/** What came of many requests. */
export interface Load {
  readonly asked: readonly Asked[];
  /** Answers that are not whole and say that they are. */
  readonly truncated: number;
}

const dialect = dialects[0] as Dialect;
const requests = [false, true].map((stream) => dialect.toRequest('the-model', stream));

/**
 * Asks until so many requests are done, some at once, half of them streams, at both gateways by turns. Whoever finds that its
 * gateway was killed asks the other one, as behind any load balancer, unless some of the answer had come.
 */
export async function runLoad(gateways: Gateways, key: string, count: number, atOnce: number): Promise<Load> {
  const client = createClient(atOnce);
  const asked: Asked[] = [];
  let truncated = 0;
  let next = 0;

  const send = (place: number, isStream: boolean): Promise<Got | undefined> => {
    const { path, headers, body } = requests[Number(isStream)] as ReturnType<Dialect['toRequest']>;
    const url = `${gateways.urls[place]}${path}`;
    const authorization = `Bearer ${key}`;
    return client
      .send({ url, headers: { authorization, ...headers }, body: JSON.stringify(body) })
      .catch(() => undefined);
  };

  const ask = async (index: number): Promise<void> => {
    const isStream = (index >> 1) % 2 === 0;
    const arrivedMs = performance.now();
    let place = index % 2;
    let sentMs = arrivedMs;
    let got = await send(place, isStream);
    while (!got?.isEnded && gateways.wasDown(place, sentMs, performance.now())) {
      if (got && isStream && dialect.readStream(got.body).text !== '') {
        asked.push({ arrivedMs, end: 'lost', id: undefined, place, endedMs: performance.now() });
        return;
      }
      place = 1 - place;
      sentMs = performance.now();
      got = await send(place, isStream);
    }
    const end = got ? read(got, isStream) : 'no reply';
    if (end === 'truncated') truncated++;
    asked.push({ arrivedMs, end, id: toId(got), place, endedMs: performance.now() });
    // as every library does: who is told when to come back does not ask a thousand times before
    const waitSeconds = end === 'answered' ? 0 : Number(got?.headers['retry-after'] ?? 0);
    if (waitSeconds > 0)
      await new Promise((resolve) => setTimeout(resolve, Math.min(waitSeconds, 2) * 1_000));
  };
  const work = async () => {
    while (next < count) await ask(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  client.close();
  return { asked, truncated };
}

function toId(got: Got | undefined): string | undefined {
  const id = got?.headers['x-request-id'];
  return typeof id === 'string' ? id : undefined;
}

function read({ status, body, isEnded }: Got, isStream: boolean): string {
  if (!isEnded) return 'broken off';
  if (status !== 200) return `status ${status}`;
  if (!isStream)
    return dialect.textOfReply(JSON.parse(body.toString())) === answerText ? 'answered' : 'truncated';
  const { errors, isWhole, text } = dialect.readStream(body);
  if (errors.length > 0) return 'error in the stream';
  return isWhole && text === answerText ? 'answered' : 'truncated';
}
