import type { Usage } from '../message.ts';
import type { Members } from './stream-data.ts';

/** How a stream is gone on with: by a model that is given what it said so far, or by one that says all of it again. */
export type SpliceMode = 'continue' | 'restart';

/** A member of the root of the request's body, as the provider was sent it. */
export type ReadRequest = (member: string) => unknown;

/**
 * Follows a stream as its caller got it, so that another one can go on in its place when it breaks. Only plain text can be
 * gone on with: what goes out of a tool call, of reasoning or of a second choice cannot be taken back.
 */
export interface StreamSplicer {
  /** Sees the data of an event that went out. */
  delivered(data: string): void;
  /** The text that went out; undefined when there is none, when more than text did, and when the answer was over. */
  readonly text: string | undefined;
  /** What to change in the request's body so that the model goes on behind the text. Undefined when that cannot be said. */
  continuation(): Members | undefined;
  /**
   * Begins to put another stream in the place of the one that broke.
   *
   * @param spent what the broken one used; added to the usage that the other one tells
   */
  splice(mode: SpliceMode, spent: Usage | undefined): Splice;
}

/** Another stream on its way into the place of one that broke. */
export interface Splice {
  /**
   * An event of the other stream, as it goes out: with the ids of the first one, without what went out already.
   *
   * @returns the text of the event; '' when nothing of it goes out; undefined when the other stream does not say the same
   */
  event(event: { readonly event?: string | undefined; readonly data: string }): string | undefined;
  /** Whether all that went out was said again, and so what comes now is new. */
  readonly isReady: boolean;
  /** Whether `event` is to be asked about errors, too, because they belong to the answer that has begun. @default false */
  readonly rewritesErrors?: boolean;
}
