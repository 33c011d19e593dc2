import type { Usage } from '../message.ts';
import type { StreamEvent, StreamReader } from './dialect.ts';
import { dataKind, type Members, parseObject } from './stream-data.ts';

/** What the readers of all dialects have in common. A class, because there is one for each stream that is open. */
export abstract class EventReader implements StreamReader {
  whole = false;
  error: StreamReader['error'] = undefined;
  hasContent = false;
  malformed = false;
  passed = 0;
  abstract readonly usage: Usage | undefined;

  read({ event, data }: StreamEvent): 'relay' | 'drop' {
    const kind = dataKind(data);
    if (kind === 'object') return this.readObject(event, data);
    if (kind === 'done') this.readDone();
    else if (kind === 'broken') this.malformed = true;
    return 'relay';
  }

  /** Sees an event whose data looks like an object. */
  protected abstract readObject(event: string | undefined, data: string): 'relay' | 'drop';

  /** Sees `[DONE]`, which most dialects do not have. */
  protected readDone(): void {}

  /** Parses the data; notes when it cannot. */
  protected parse(data: string): Members | undefined {
    const parsed = parseObject(data);
    if (!parsed) this.malformed = true;
    return parsed;
  }
}
