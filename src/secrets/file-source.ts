import type { FileHandle } from 'node:fs/promises';
import { fs } from '../built-in.ts';
import { SecretError } from './secret-error.ts';
import type { SecretSource, SourceParts } from './secret-source.ts';

/** The part of `fs.BigIntStats` that is used. */
interface FileState {
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly size: bigint;
  readonly ino: bigint;
  readonly dev: bigint;
  isFile(): boolean;
}

const maxBytes = 65_536;
const settledMs = 2_000;

/**
 * A secret in a file, checked every `pollMs`. Polling sees what file events do not: mounted volumes, replaced files,
 * switched links. A file that is being written is taken once it stops changing.
 */
export function createFileSource(parts: SourceParts, file: string): SecretSource {
  const { label, runtime, pollMs, kept } = parts;
  /** The file's state at the last read; `undefined` when it must be read again whatever the state. */
  let known: string | undefined;
  let isClosed = false;
  let cancelPoll: () => void = () => undefined;
  let reading: Promise<void> | undefined;

  const unreadable = (cause: unknown): SecretError =>
    new SecretError('secret_unavailable', `${label}: the file ${file} cannot be read.`, {
      secret: label,
      cause,
    });

  const remember = (state: FileState): void => {
    // two writes within one tick of the file system's clock have the same state: a recent one is read once more
    const isSettled = Math.abs(runtime.now() - Number(state.mtimeNs / 1_000_000n)) > settledMs;
    known = isSettled ? describe(state) : undefined;
  };

  const readNow = async (): Promise<void> => {
    let text: string;
    let state: FileState;
    try {
      state = requireReadable(await fs.promises.stat(file, { bigint: true }));
      if (describe(state) === known) return;
      text = await readText(file);
      if (describe(await fs.promises.stat(file, { bigint: true })) !== describe(state)) return;
    } catch (cause) {
      known = undefined;
      throw unreadable(cause);
    }
    remember(state);
    kept.take(text);
  };

  /** One at a time; callers meanwhile wait for the one that runs. */
  const refresh = (): Promise<void> => {
    reading ??= readNow()
      .catch((error: unknown) => {
        throw kept.fail(error);
      })
      .finally(() => {
        reading = undefined;
      });
    return reading;
  };

  const schedulePoll = (): void => {
    if (isClosed) return;
    cancelPoll = runtime.schedule(pollMs, () => {
      void refresh()
        .catch(() => undefined)
        .then(schedulePoll);
    });
  };

  let text: string;
  let state: FileState;
  try {
    state = requireReadable(fs.statSync(file, { bigint: true }));
    text = fs.readFileSync(file, 'utf8');
  } catch (cause) {
    throw unreadable(cause);
  }
  remember(state);
  kept.take(text);
  schedulePoll();
  return {
    label,
    current: kept.read,
    ready: async () => undefined,
    refresh,
    close() {
      isClosed = true;
      cancelPoll();
    },
  };
}

function requireReadable(state: FileState): FileState {
  // a pipe or a device could block for ever, or never end
  if (!state.isFile()) throw new Error('It is not a regular file.');
  if (state.size > maxBytes) throw new Error(`It has more than ${maxBytes} bytes.`);
  return state;
}

async function readText(file: string): Promise<string> {
  let handle: FileHandle | undefined;
  try {
    // without blocking, in case it has become a pipe since; Windows has neither
    handle = await fs.promises.open(file, fs.constants.O_RDONLY | (fs.constants.O_NONBLOCK ?? 0));
    const bytes = Buffer.alloc(maxBytes + 1);
    const { bytesRead } = await handle.read(bytes, 0, bytes.length, 0);
    if (bytesRead > maxBytes) throw new Error(`It has more than ${maxBytes} bytes.`);
    return bytes.toString('utf8', 0, bytesRead);
  } finally {
    await handle?.close();
  }
}

function describe({ mtimeNs, ctimeNs, size, ino, dev }: FileState): string {
  return `${mtimeNs} ${ctimeNs} ${size} ${ino} ${dev}`;
}
