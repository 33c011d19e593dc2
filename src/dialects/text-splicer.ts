import type { Usage } from '../message.ts';
import { PrefixFilter, withoutTrailingBlanks } from './prefix-filter.ts';
import type { SpliceMode, StreamSplicer } from './splicer.ts';
import { asObject, asText, dataKind, eventType, type Members, parseObject } from './stream-data.ts';

/** What a dialect knows about its streams of text, so that they can be continued. Made anew for each stream. */
export interface TextStream {
  /**
   * Sees an event that went out.
   *
   * @returns the text in it; undefined when it brought anything else, or the end of the answer
   */
  textOf(event: Members, type: string | undefined): string | undefined;
  /** See `StreamSplicer`. */
  continuation(text: string): Members | undefined;
  /** Begins to rewrite the events of another stream; see `Splice` for what is returned for each. */
  rewriter(splicing: Splicing): (event: Members, type: string | undefined) => string | undefined;
  /** Whether the other stream's text is taken as it is, blanks and all. @default false */
  readonly isExact?: boolean;
  /** Whether `[DONE]` ends a stream of this dialect. @default false */
  readonly endsWithDone?: boolean;
  /** See `Splice`. @default false */
  readonly rewritesErrors?: boolean;
}

/** Another stream that takes the place of one that broke. */
export interface Splicing {
  readonly mode: SpliceMode;
  /** What went out. */
  readonly text: string;
  /** What the broken stream used. */
  readonly spent: Usage | undefined;
  /** Whether what comes now is new. */
  readonly isReady: boolean;
  /** The new part of a piece of text; undefined when it says something else. */
  fresh(piece: string): string | undefined;
}

/** A splicer for a dialect's streams of text. */
export function createTextSplicer(stream: TextStream): StreamSplicer {
  let text = '';
  let isPlain = true;
  return {
    delivered(data) {
      const event = toEvent(data);
      const said = event ? stream.textOf(event, asText(event.type)) : blankOf(data);
      if (said === undefined) isPlain = false;
      else text += said;
    },
    get text() {
      return isPlain && text !== '' ? text : undefined;
    },
    continuation: () => stream.continuation(text),
    splice(mode, spent) {
      const prefix = toPrefixFilter(mode, text, stream.isExact ?? false);
      const splicing: Splicing = {
        mode,
        text,
        spent,
        get isReady() {
          return mode === 'continue' || prefix.isDone;
        },
        fresh: (piece) => prefix.take(piece),
      };
      const rewrite = stream.rewriter(splicing);
      return {
        rewritesErrors: stream.rewritesErrors ?? false,
        get isReady() {
          return splicing.isReady;
        },
        event({ event: name, data }) {
          const event = toEvent(data);
          if (event) return rewrite(event, eventType(name, data));
          return stream.endsWithDone && dataKind(data) === 'done' ? `data: ${data}\n\n` : '';
        },
      };
    },
  };
}

function toEvent(data: string): Members | undefined {
  return dataKind(data) === 'object' ? parseObject(data) : undefined;
}

/** Data that is not an object is more than text, unless it is blank. */
function blankOf(data: string): '' | undefined {
  return dataKind(data) === 'blank' ? '' : undefined;
}

/** The text that another stream begins with, and whether it must. */
function toPrefixFilter(mode: SpliceMode, text: string, isExact: boolean): PrefixFilter {
  if (mode === 'restart') return new PrefixFilter(text, false);
  return new PrefixFilter(isExact ? '' : withoutTrailingBlanks(text).blanks, true);
}

/** The turns of a request, with the text as an unfinished turn of the model at the end, or added to one there is. */
export function withUnfinishedTurn(turns: unknown, text: string): Members[] | undefined {
  if (!Array.isArray(turns)) return undefined;
  const { kept } = withoutTrailingBlanks(text);
  const last = asObject(turns.at(-1));
  if (last?.role !== 'assistant') return [...turns, { role: 'assistant', content: kept }];
  if (typeof last.content !== 'string') return undefined;
  return [...turns.slice(0, -1), { ...last, content: last.content + kept }];
}

/** The members of an event with these names, with the values of the first stream's event. */
export function ownMembers(event: Members, opening: Members | undefined, names: readonly string[]): Members {
  const own: Record<string, unknown> = {};
  for (const name of names) {
    if (name in event && opening?.[name] !== undefined) own[name] = opening[name];
  }
  return own;
}

/** Counts with others added to them, where they are numbers. */
export function addCounts(counts: Members, added: Readonly<Record<string, number | undefined>>): Members {
  const sum: Record<string, unknown> = { ...counts };
  for (const [name, value] of Object.entries(added)) {
    if (typeof sum[name] === 'number' && value !== undefined) sum[name] = (sum[name] as number) + value;
  }
  return sum;
}
