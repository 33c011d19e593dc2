import type { IncomingMessage } from 'node:http';
import type { FakeUpstreamOptions, RecordedRequest, TallyEntry } from './types.ts';

const defaultMaxRequests = 10_000;
const defaultMaxBytes = 268_435_456;
const defaultWaitMs = 5_000;

/** The requests that an upstream keeps, and who waits for one. */
export interface Recorder {
  readonly requests: RecordedRequest[];
  readonly tally: TallyEntry[];
  readonly count: number;
  /** Record a request whose headers arrived. */
  open(message: IncomingMessage): RecordedRequest;
  /** Keep the body, and parse it when it is JSON. */
  setBody(request: RecordedRequest, body: Buffer): void;
  addTally(entry: TallyEntry): void;
  /** Tell waiters that a record changed. */
  notify(): void;
  waitFor(predicate: (request: RecordedRequest) => boolean, timeoutMs?: number): Promise<RecordedRequest>;
  reset(): void;
  /** Fail all waiters at once. */
  close(): void;
}

interface Waiter {
  readonly check: () => void;
  readonly fail: (reason: string) => void;
}

/** An empty recorder, bounded by `maxRecordedRequests` and `maxRecordedBytes`. */
export function createRecorder(options: FakeUpstreamOptions): Recorder {
  const maxRequests = options.maxRecordedRequests ?? defaultMaxRequests;
  const maxBytes = options.maxRecordedBytes ?? defaultMaxBytes;
  const requests: RecordedRequest[] = [];
  const tally: TallyEntry[] = [];
  const waiters = new Set<Waiter>();
  let count = 0;
  let bytes = 0;
  const trim = () => {
    while (requests.length > maxRequests || (bytes > maxBytes && requests.length > 1)) {
      bytes -= requests.shift()?.body.length ?? 0;
    }
  };
  const notify = () => {
    for (const waiter of waiters) {
      waiter.check();
    }
  };
  return {
    requests,
    tally,
    get count() {
      return count;
    },
    open(message) {
      const [path = '', ...query] = (message.url ?? '').split('?');
      const request: RecordedRequest = {
        index: count,
        method: message.method ?? '',
        path,
        query: query.join('?'),
        headers: message.headers,
        rawHeaders: message.rawHeaders,
        body: Buffer.alloc(0),
        bodyComplete: false,
        complete: false,
        aborted: false,
        arrivedAtMs: nowMs(),
      };
      count += 1;
      requests.push(request);
      trim();
      notify();
      return request;
    },
    setBody(request, body) {
      request.body = body;
      request.bodyComplete = true;
      const type = request.headers['content-type'] ?? '';
      if (body.length > 0 && !type.startsWith('multipart/')) {
        try {
          request.json = JSON.parse(body.toString());
        } catch {
          // Not JSON: the handler answers as its provider does.
        }
      }
      bytes += body.length;
      trim();
      notify();
    },
    addTally(entry) {
      tally.push(entry);
      if (tally.length > maxRequests) {
        tally.shift();
      }
    },
    notify,
    waitFor(predicate, timeoutMs = defaultWaitMs) {
      return new Promise((resolve, reject) => {
        const fail = (reason: string) => {
          clearTimeout(timer);
          waiters.delete(waiter);
          reject(new Error(`waitFor: ${reason}; ${requests.length} requests are recorded`));
        };
        const check = () => {
          const found = requests.find(predicate);
          if (found !== undefined) {
            clearTimeout(timer);
            waiters.delete(waiter);
            resolve(found);
          }
        };
        const waiter = { check, fail };
        const timer = setTimeout(() => fail(`no request matched within ${timeoutMs} ms`), timeoutMs);
        waiters.add(waiter);
        check();
      });
    },
    reset() {
      requests.length = 0;
      tally.length = 0;
      count = 0;
      bytes = 0;
    },
    close() {
      for (const waiter of waiters) {
        waiter.fail('the upstream was closed');
      }
    },
  };
}

/** Milliseconds of the epoch that never run backwards. */
export function nowMs(): number {
  return performance.timeOrigin + performance.now();
}
