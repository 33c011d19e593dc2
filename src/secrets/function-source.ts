import { withDeadline } from '../deadline.ts';
import { SecretError } from './secret-error.ts';
import type { SecretSource, SourceParts } from './secret-source.ts';

/**
 * A secret from a function of the host: called at once, then every `refreshMs` in the background. While it fails, it is
 * called again sooner, with growing delays.
 */
export function createFunctionSource(
  parts: SourceParts,
  fetchSecret: () => string | Promise<string>,
): SecretSource {
  const { label, runtime, refreshMs, retryMs, timeoutMs, kept } = parts;
  let isClosed = false;
  let failures = 0;
  let cancelNext: () => void = () => undefined;
  let fetching: Promise<void> | undefined;

  const scheduleNext = (): void => {
    cancelNext();
    if (isClosed) return;
    const backoffMs = Math.min(refreshMs, retryMs * 2 ** Math.min(failures - 1, 20));
    // not in step with every other source that failed at the same time
    const delayMs = failures === 0 ? refreshMs : backoffMs * (0.5 + runtime.random() / 2);
    cancelNext = runtime.schedule(delayMs, () => {
      fetchNow().catch(() => undefined);
    });
  };
  const failed = (error: unknown): SecretError => {
    failures++;
    return kept.fail(toFetchError(label, error));
  };

  /** Waits for what the function promised. */
  const receive = (promise: Promise<string>): Promise<void> => {
    fetching = withDeadline(runtime, timeoutMs, 'The function', promise)
      .then((text) => {
        kept.take(requireText(label, text));
        failures = 0;
      })
      .catch((error: unknown) => {
        throw failed(error);
      })
      .finally(() => {
        fetching = undefined;
        scheduleNext();
      });
    return fetching;
  };
  const fetchNow = (): Promise<void> => fetching ?? receive(invoke(fetchSecret));

  let first: string | Promise<string>;
  try {
    first = fetchSecret();
  } catch (error) {
    throw toFetchError(label, error);
  }
  if (isPromise(first)) receive(first).catch(() => undefined);
  else {
    kept.take(requireText(label, first));
    scheduleNext();
  }

  return {
    label,
    current: kept.read,
    async ready() {
      if (!hasValue(kept.read)) await fetchNow();
    },
    refresh: fetchNow,
    close() {
      isClosed = true;
      cancelNext();
    },
  };
}

function hasValue(read: () => unknown): boolean {
  try {
    read();
    return true;
  } catch {
    return false;
  }
}

/** So that a synchronous throw counts as a rejection. */
async function invoke(fetchSecret: () => string | Promise<string>): Promise<string> {
  return fetchSecret();
}

function isPromise(value: unknown): value is Promise<string> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function';
}

function requireText(label: string, value: unknown): string {
  if (typeof value === 'string') return value;
  throw new SecretError('secret_invalid', `${label}: the function did not give a string.`, { secret: label });
}

/** What the function threw is the cause; its message is not repeated, since it may quote what it worked on. */
function toFetchError(label: string, error: unknown): SecretError {
  if (error instanceof SecretError) return error;
  const { name, code } = (error ?? {}) as { name?: unknown; code?: unknown };
  const kind = [name, code].filter((part) => typeof part === 'string' && /^\w{1,40}$/.test(part)).join(' ');
  return new SecretError(
    'secret_unavailable',
    `${label}: the function failed${kind === '' ? '' : ` (${kind})`}.`,
    { secret: label, cause: error },
  );
}
