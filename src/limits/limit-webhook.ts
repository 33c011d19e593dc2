import { requireInteger } from '../keys/option.ts';
import { quietly } from '../quietly.ts';
import type { Runtime } from '../runtime.ts';
import type { LimitEvent } from './limit-event.ts';

/** Where thresholds are posted, and the bounds. */
export interface LimitWebhookOptions {
  /** An `http` or `https` URL that accepts a POST of JSON. */
  readonly url: string | URL;
  readonly runtime: Runtime;
  /** Sent with each call, for instance a credential for the receiver. @default none */
  readonly headers?: Readonly<Record<string, string>>;
  /** How long the receiver may take. @default 5_000 */
  readonly timeoutMs?: number;
  /** Attempts for one event, the first included. @default 4 */
  readonly maxAttempts?: number;
  /** The pause before the second attempt; each further one is twice as long. @default 1_000 */
  readonly retryMs?: number;
  /** Events that may wait; above it the oldest is dropped. @default 1_000 */
  readonly maxPending?: number;
  /** Called when an event is given up. @default ignored */
  readonly onError?: (error: unknown) => void;
  /** @default the global fetch */
  readonly fetch?: typeof globalThis.fetch;
}

/** Takes the events of `onLimit`, and posts them to a server. */
export interface LimitWebhook {
  /** For `onLimit`. Never waits and never throws. */
  (event: LimitEvent): void;
  /** Resolves when no event is waiting. */
  flush(): Promise<void>;
}

/**
 * Posts thresholds, and that the ledger became unavailable or is back, to a server: one JSON object each, in order, one
 * call at a time. An event is sent again unless the answer is 2xx, so the receiver may see one twice, with the same
 * `id`. Redirects are not followed.
 * @throws TypeError for an invalid `url` or bound, naming it
 */
export function createLimitWebhook(options: LimitWebhookOptions): LimitWebhook {
  const { runtime, headers = {} } = options;
  const onError = quietly(options.onError);
  const url = toUrl(options.url);
  const whole = (
    name: 'timeoutMs' | 'maxAttempts' | 'retryMs' | 'maxPending',
    fallback: number,
    max: number,
  ) => requireInteger(name, options[name] ?? fallback, 1, max, 'createLimitWebhook');
  const timeoutMs = whole('timeoutMs', 5_000, 600_000);
  const maxAttempts = whole('maxAttempts', 4, 100);
  const retryMs = whole('retryMs', 1_000, 600_000);
  const maxPending = whole('maxPending', 1_000, 1_000_000);
  const pending: string[] = [];
  let sending: Promise<void> | undefined;

  async function call(body: string): Promise<void> {
    const controller = new AbortController();
    const cancel = runtime.schedule(timeoutMs, () =>
      controller.abort(new Error(`no answer in ${timeoutMs} ms`)),
    );
    try {
      const reply = await (options.fetch ?? globalThis.fetch)(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body,
        redirect: 'manual',
        signal: controller.signal,
      });
      await reply.body?.cancel();
      if (!reply.ok) throw new Error(`status ${reply.status}`);
    } finally {
      cancel();
    }
  }

  async function tell(body: string): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await call(body);
      } catch (cause) {
        if (attempt >= maxAttempts) {
          onError(new Error(`An event of limits could not be told to ${url.origin}.`, { cause }));
          return;
        }
        const pauseMs = retryMs * 2 ** (attempt - 1);
        await new Promise<void>((resolve) => void runtime.schedule(pauseMs, resolve));
      }
    }
  }

  async function send(): Promise<void> {
    for (let body = pending.shift(); body !== undefined; body = pending.shift()) await tell(body);
    sending = undefined;
  }

  const take = (event: LimitEvent): void => {
    if (event.kind !== 'threshold' && event.kind !== 'ledger') return;
    pending.push(
      JSON.stringify({ id: runtime.newId(), at: new Date(runtime.now()).toISOString(), ...toPlain(event) }),
    );
    if (pending.length > maxPending) {
      pending.shift();
      onError(new Error('Events of limits are told too slowly: the oldest was dropped.'));
    }
    sending ??= Promise.resolve().then(send);
  };
  return Object.assign(take, { flush: async () => void (await sending) });
}

function toPlain(event: Extract<LimitEvent, { kind: 'threshold' | 'ledger' }>): object {
  if (event.kind === 'threshold') return event;
  // a store's error may contain an address or more: it stays here
  const { kind, state, lastedMs } = event;
  return { kind, state, lastedMs };
}

function toUrl(given: string | URL): URL {
  const url = URL.canParse(String(given)) ? new URL(String(given)) : undefined;
  // fetch rejects URLs with credentials, and would repeat them in its error for each event
  if (url && /^https?:$/.test(url.protocol) && !(url.username || url.password)) return url;
  throw new TypeError('createLimitWebhook: "url" must be an http or https address without credentials.');
}
