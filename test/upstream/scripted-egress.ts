import type { Egress, EgressBody, EgressRequest, HeaderMap } from 'headgate';

/** What a provider sends: the chunks of its body, and whether it breaks behind them. */
export interface ScriptedStream {
  readonly chunks: readonly (string | Uint8Array)[];
  /** @default it ends */
  readonly breaks?: boolean;
  /** @default 'text/event-stream' */
  readonly type?: string | readonly string[];
  /** @default 200 */
  readonly status?: number;
  readonly headers?: HeaderMap;
  /** Called when its connection is ended. */
  readonly onCancel?: () => unknown;
}

/** A way out that leads nowhere: each host answers as the script says, in this process and without a socket. */
export function createScriptedEgress(
  answer: (request: EgressRequest) => ScriptedStream,
): Egress & { readonly sent: EgressRequest[] } {
  const sent: EgressRequest[] = [];
  return {
    sent,
    async send(request) {
      sent.push(request);
      const script = answer(request);
      return {
        status: script.status ?? 200,
        headers: { 'content-type': script.type ?? 'text/event-stream', ...script.headers },
        body: toBody(script),
      };
    },
    close: async () => undefined,
  };
}

function toBody({ chunks, breaks = false, onCancel }: ScriptedStream): EgressBody {
  const left = chunks.map((chunk) => (typeof chunk === 'string' ? Buffer.from(chunk) : chunk));
  const next = async (): Promise<IteratorResult<Uint8Array>> => {
    const value = left.shift();
    if (value) return { done: false, value };
    if (breaks) throw Object.assign(new Error('other side closed'), { code: 'UND_ERR_SOCKET' });
    return { done: true, value: undefined };
  };
  return {
    async collect() {
      const all: Uint8Array[] = [];
      for (let step = await next(); !step.done; step = await next()) all.push(step.value);
      return { bytes: Buffer.concat(all), ended: true };
    },
    cancel: () => onCancel?.(),
    [Symbol.asyncIterator]: () => ({ next }),
  };
}

/** The first bytes of a stream of events, in chunks of an event each, and then it breaks. */
export function cutAt(events: readonly string[], bytes: number): ScriptedStream {
  const chunks: Uint8Array[] = [];
  let left = bytes;
  for (const event of events) {
    const whole = Buffer.from(event);
    if (left <= 0) break;
    chunks.push(whole.subarray(0, left));
    left -= whole.length;
  }
  return { chunks, breaks: true };
}

/** A request that a provider has not answered yet. */
export interface HeldRequest {
  readonly request: EgressRequest;
  /** Answers with JSON, all of it at once. @param onRead called as it is read */
  answer(status: number, headers?: HeaderMap, onRead?: () => void): void;
}

/** A way out to providers that answer when they are told to, and otherwise not; who is ended, is. */
export function createHeldEgress(): Egress & { readonly sent: HeldRequest[]; asked(): string[] } {
  const sent: HeldRequest[] = [];
  return {
    sent,
    asked: () => sent.map(({ request }) => new URL(request.origin).hostname.split('.')[0] as string),
    send: (request) =>
      new Promise((resolve, reject) => {
        request.whenGone(() => reject(new Error('The caller has gone away.')));
        const answer: HeldRequest['answer'] = (status, headers, onRead) => {
          const bytes = Buffer.from(
            status < 400 ? '{"id":"c","object":"chat.completion","choices":[]}' : '{}',
          );
          const collect = () => {
            onRead?.();
            return { bytes, ended: true };
          };
          const body = { ...toBody({ chunks: [bytes] }), collect };
          resolve({ status, headers: { 'content-type': 'application/json', ...headers }, body });
        };
        sent.push({ request, answer });
      }),
    close: async () => undefined,
  };
}
