import type { GatewayError } from '../errors.ts';
import type { Usage } from '../message.ts';

/** Watches a reply's body on its way through. */
export interface Inspector {
  /**
   * Sees the next chunk.
   *
   * @returns the part of it to pass on now; may be empty.
   * @throws GatewayError when the body must not continue (an event beyond its bound, …).
   */
  chunk(bytes: Uint8Array): Uint8Array;
  /** The same for a chunk as text, one character per byte (latin1); for those that read it as text anyway. */
  text?(latin1: string): string;
  /** Whether it never looks again at a chunk that it has returned. @default false */
  readonly keepsNothing?: boolean;
  /** The upstream ended without an error. Returns what was held back, or why the body is not whole. */
  end(): { readonly rest: Uint8Array | undefined; readonly error: GatewayError | undefined };
  /** Usage as far as it is known, an estimate when the provider reported none. */
  usage(): Usage | undefined;
  /** What to append when the body breaks after it had begun; undefined when the protocol cannot express it. */
  errorTail(error: GatewayError): Uint8Array | undefined;
  /** Whether there is something for the caller: content, or what may come instead (a whole reply, an error). */
  readonly hasBegun: boolean;
  /** Whether the protocol's end was seen. */
  readonly isWhole: boolean;
  /** Why the body must end after what `chunk` returned last: a provider's error in it, or malformed data. */
  readonly failure: GatewayError | undefined;
  /** The provider's name for the error that `failure` stands for, if it gave one. */
  readonly errorType?: string | undefined;
}
