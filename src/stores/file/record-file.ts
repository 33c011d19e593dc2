import { basename, dirname } from 'node:path';
import type { ChangeListener, Unwatch } from '../watch.ts';
import { removeLeftovers, writeFileAtomically } from './atomic-write.ts';
import { createChangeQueue } from './change-queue.ts';
import type { resolveFileOptions } from './file-options.ts';
import { readFileStamp, readStampedText } from './file-stamp.ts';
import { createFollowed, type Loaded } from './followed.ts';

/** How records of one kind are stored in a file. */
export interface RecordFormat<State> {
  readonly empty: State;
  /** @throws Error saying what is wrong with the text */
  parse(text: string): State;
  print(state: State): string;
  /** The ids of what differs. */
  compare(before: State, after: State): Iterable<string>;
}

/** The outcome of applying a batch of changes. */
export interface Applied<State, Result> {
  /** The same object when nothing has changed. */
  readonly state: State;
  /** Of each change, in order. */
  readonly results: readonly Result[];
}

/** Records of one kind in one file. */
export interface RecordFile<State, Change, Result> {
  /** The records at an instant after the call. @throws Error when the file cannot be read or is damaged */
  read(): Promise<State>;
  /** Applies one change; resolves when it is on disk. @throws Error when it cannot be written; then nothing has changed */
  change(change: Change): Promise<Result>;
  watch(listener: ChangeListener): Unwatch;
  /** Creates the file if missing. Resolves to whether it did. */
  create(): Promise<boolean>;
  close(): Promise<void>;
}

/** Follows and changes a file of records. A damaged file is never written to. */
export function createRecordFile<State extends object, Change, Result>(
  file: string,
  format: RecordFormat<State>,
  options: ReturnType<typeof resolveFileOptions>,
  apply: (state: State, changes: readonly Change[]) => Applied<State, Result>,
): RecordFile<State, Change, Result> {
  const { runtime, pollMs, maxBytes } = options;
  let wasThere = false;

  const load = async (): Promise<Loaded<State>> => {
    const { stamp, text } = await readStampedText(file, maxBytes);
    const refuse = (reason: string, cause?: unknown) => ({
      stamp,
      refusal: new Error(`${file} ${reason}`, { cause }),
    });
    if (text === undefined) {
      // taking a lost file for an empty one would turn an outage into keys that do not exist
      return wasThere ? refuse('was there before and is there no more') : { stamp, state: format.empty };
    }
    wasThere = true;
    try {
      return { stamp, state: format.parse(text) };
    } catch (error) {
      return refuse((error as Error).message, error);
    }
  };

  const followed = createFollowed<State>(
    { directory: dirname(file), look: () => readFileStamp(file), load, compare: format.compare },
    runtime,
    pollMs,
  );

  const write = async (state: State): Promise<void> => {
    const stamp = await writeFileAtomically(file, format.print(state), runtime);
    wasThere = true;
    followed.adopt(stamp, state);
  };

  const applyBatch = async (batch: readonly (Change | 'create')[]): Promise<(Result | boolean)[]> => {
    const before = await followed.read();
    const changes = batch.filter((change): change is Change => change !== 'create');
    const { state, results } = apply(before, changes);
    const isNew = !wasThere && batch.includes('create');
    if (state !== before || isNew) await write(state);
    let taken = 0;
    return batch.map((change) => (change === 'create' ? isNew : (results[taken++] as Result)));
  };

  const enqueue = createChangeQueue<Change | 'create', Result | boolean>(
    file,
    runtime,
    options,
    applyBatch,
    () => removeLeftovers(dirname(file), (name) => name === basename(file)),
  );

  return {
    read: followed.read,
    change: (change) => enqueue(change) as Promise<Result>,
    watch: followed.watch,
    create: () => enqueue('create') as Promise<boolean>,
    close: followed.close,
  };
}
