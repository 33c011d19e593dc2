import type { NodeLimits } from 'headgate/node';
import type { ClientReply, ClientRequest, Conversation, Sending, WholeReply } from './client.ts';
import type { Mount, Running } from './mounts.ts';
import type { StubGateway } from './stub-gateway.ts';

/** What a case works with: a mounted gateway and a client. Paths are below the mount's prefix. */
export interface Bench {
  readonly mount: Mount;
  readonly gateway: StubGateway;
  readonly running: Running;
  /** Sends a request and reads the whole reply. */
  send(request: ClientRequest): Promise<WholeReply>;
  /** Sends a request and hands out the reply as it begins. */
  open(request: ClientRequest): Sending;
  opened(request: ClientRequest): Promise<ClientReply>;
  /** Writes raw bytes to a connection of their own. */
  converse(bytes: string | Uint8Array): Conversation;
  talk(bytes: string | Uint8Array, isDone?: (received: string) => boolean): Promise<string>;
}

/** One sentence that holds for every adapter. Plain data: the mutation check runs the same list. */
export interface AdapterCase {
  readonly name: string;
  /** Why a mount need not pass; `undefined` when it must. */
  exempt?(mount: Mount): string | undefined;
  /** Options for a server of the case's own. Without them the mount's common server is used. */
  readonly limits?: NodeLimits;
  /** Throws when the sentence does not hold. */
  run(bench: Bench): Promise<void>;
}

/** For cases that write HTTP/1.1 by hand. */
export const needsHttp1 = (mount: Mount): string | undefined =>
  mount.protocol === 'http1' ? undefined : 'it is about the syntax of HTTP/1.1';
