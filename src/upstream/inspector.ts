import type { GatewayError } from '../errors.ts';
import type { Usage } from '../message.ts';

/** Watches a reply's body on its way through. */
export interface Inspector {
  /**
   * Sees the next chunk.
   *
   * @returns what to pass on of it now; may be empty.
   * @throws GatewayError when the body must not go on (an event beyond its bound, …).
   */
  chunk(bytes: Uint8Array): Uint8Array;
  /** The same of a chunk as text, each character a byte (latin1); for those who look at it as such anyway. */
  text?(latin1: string): string;
  /** Whether it never looks again at a chunk that it has returned. @default false */
  readonly keepsNothing?: boolean;
  /** The upstream ended without an error. Tells what was held back, or why the body is not whole. */
  end(): { readonly rest: Uint8Array | undefined; readonly error: GatewayError | undefined };
  /** Usage as far as it is known, an estimate when the provider reported none. */
  usage(): Usage | undefined;
  /** What to append when the body breaks after it had begun; undefined where the protocol has no way to say it. */
  errorTail(error: GatewayError): Uint8Array | undefined;
  /** Whether there is something for the caller: content, or what may come in its place: a whole reply, an error. */
  readonly hasBegun: boolean;
  /** Whether the protocol's end was seen. */
  readonly isWhole: boolean;
  /** Why the body must end behind what `chunk` returned last: an error of the provider in it, or nonsense. */
  readonly failure: GatewayError | undefined;
  /** What the provider called the error that `failure` stands for, as far as it gave it a name. */
  readonly errorType?: string | undefined;
}
