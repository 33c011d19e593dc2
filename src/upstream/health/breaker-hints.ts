import type { Runtime } from '../../runtime.ts';
import type { Hints } from '../../stores/hints.ts';
import type { Healths } from './healths.ts';

/** Breakers that open together are reported together. */
const gatherMs = 20;
/** Of more at once, the rest is not reported. */
const mostTold = 50;
const mostBytes = 7_000;

/** What one node tells the others. */
interface Message {
  readonly from: string;
  /** For how long each target is left alone there, milliseconds. */
  readonly opened: Readonly<Record<string, number>>;
}

/** Tells other nodes of breakers that opened here, and hears of theirs. */
export interface BreakerHints {
  /** The breaker of a target opened, for this long. */
  opened(id: string, forMs: number): void;
  close(): Promise<void>;
}

/** Off the request path: no request waits for a message, or fails with it. */
export function shareBreakers(
  hints: Hints,
  healths: Pick<Healths, 'find'>,
  runtime: Pick<Runtime, 'newId' | 'schedule' | 'monotonicMs'>,
): BreakerHints {
  const from = runtime.newId();
  let gathered = new Map<string, number>();
  let cancel: (() => void) | undefined;

  const tell = (): void => {
    cancel = undefined;
    const opened = Object.fromEntries(gathered);
    gathered = new Map();
    const text = JSON.stringify({ from, opened } satisfies Message);
    if (Buffer.byteLength(text) <= mostBytes) hints.publish(text);
  };
  const unlisten = hints.listen((text) => {
    const message = toMessage(text);
    if (!message || message.from === from) return;
    const nowMs = runtime.monotonicMs();
    for (const [id, forMs] of Object.entries(message.opened).slice(0, mostTold)) {
      if (Number.isFinite(forMs) && forMs > 0) healths.find(id)?.breaker.hint(nowMs, forMs);
    }
  });
  return {
    opened(id, forMs) {
      if (gathered.size >= mostTold) return;
      gathered.set(id, Math.round(forMs));
      cancel ??= runtime.schedule(gatherMs, tell);
    },
    async close() {
      cancel?.();
      await unlisten();
    },
  };
}

/** Anybody who may write to the store may send anything. */
function toMessage(text: string): Message | undefined {
  try {
    const message = JSON.parse(text) as Partial<Message> | null;
    const isOurs = typeof message?.from === 'string' && typeof message.opened === 'object';
    return isOurs && message.opened !== null ? (message as Message) : undefined;
  } catch {
    return undefined;
  }
}
