import type { Usage } from '../message.ts';
import type { Members } from './stream-data.ts';

/** How a stream is continued: by a model that is given what it said so far, or by one that says all of it again. */
export type SpliceMode = 'continue' | 'restart';

/** A top-level member of the request's body, as sent to the provider. */
export type ReadRequest = (member: string) => unknown;

/**
 * Follows a stream as its caller got it, so that another one can continue it when it breaks. Only plain text can be
 * continued: what went out of a tool call, of reasoning or of a second choice cannot be taken back.
 */
export interface StreamSplicer {
  /** Sees the data of an event that went out. */
  delivered(data: string): void;
  /** The text that went out; undefined when there is none, when more than text did, and when the answer was over. */
  readonly text: string | undefined;
  /** Changes to the request's body that make the model continue the text. Undefined when they cannot be expressed. */
  continuation(): Members | undefined;
  /**
   * Begins to replace the stream that broke with another one.
   *
   * @param spent what the broken one used; added to the usage that the other one reports
   */
  splice(mode: SpliceMode, spent: Usage | undefined): Splice;
}

/** Another stream that replaces one that broke. */
export interface Splice {
  /**
   * An event of the other stream, as it goes out: with the ids of the first one, without what went out already.
   *
   * @returns the text of the event; '' when nothing of it goes out; undefined when the other stream does not say the same
   */
  event(event: { readonly event?: string | undefined; readonly data: string }): string | undefined;
  /** Whether all that went out was said again, so that what comes now is new. */
  readonly isReady: boolean;
  /** Whether errors go through `event`, too, because they belong to the answer that has begun. @default false */
  readonly rewritesErrors?: boolean;
}
