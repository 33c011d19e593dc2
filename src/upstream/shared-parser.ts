import { createParser, type EventSourceMessage, type EventSourceParser } from 'eventsource-parser';

/** Receives the events of a text. */
export interface EventListener {
  event(event: EventSourceMessage): void;
}

/**
 * A parser of server-sent events for many streams in turn: every text consists of whole events, so nothing of a stream
 * stays in the parser. A parser per stream would take a kilobyte for each stream that waits.
 */
export class SharedParser {
  readonly maxEventBytes: number;
  readonly #parser: EventSourceParser;
  #listener: EventListener | undefined;
  #isTooLarge = false;

  constructor(maxEventBytes: number) {
    this.maxEventBytes = maxEventBytes;
    this.#parser = createParser({
      maxBufferSize: maxEventBytes,
      onEvent: (event) => this.#listener?.event(event),
      onError: ({ type }) => {
        if (type === 'max-buffer-size-exceeded') this.#isTooLarge = true;
      },
    });
  }

  /** @returns false when an event is larger than the bound */
  feed(text: string, listener: EventListener): boolean {
    this.#listener = listener;
    this.#isTooLarge = false;
    this.#parser.reset();
    this.#parser.feed(text);
    this.#listener = undefined;
    return !this.#isTooLarge;
  }
}

let latest: SharedParser | undefined;

/** The parser of all streams with this bound, nearly always all there are. */
export function parserFor(maxEventBytes: number): SharedParser {
  if (latest?.maxEventBytes !== maxEventBytes) latest = new SharedParser(maxEventBytes);
  return latest;
}
