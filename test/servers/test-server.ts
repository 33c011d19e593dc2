/**
 * A real database server that a test started, or one that was named by an environment variable and is only used.
 *
 * Most tests need no server of their own: `sharedServer('postgres')` of `shared.ts` gives the URL of one for the whole
 * run. A test that freezes or kills starts its own.
 */
export interface TestServer {
  /** Where it listens, on loopback: `postgres://…`, `redis://…`. Stays the same through `restart`. */
  readonly url: string;
  /** The process that was started; `undefined` for a server that was named by an environment variable. */
  readonly pid: number | undefined;
  /** Ends it and removes its directory. Calling it again does nothing. */
  stop(): Promise<void>;
  /** SIGSTOP to all its processes: connections are accepted and nothing is answered. */
  freeze(): Promise<void>;
  /** SIGCONT to all its processes. */
  thaw(): Promise<void>;
  /** SIGKILL to all its processes, as a power cut does. What it has written to disk stays. */
  kill(): Promise<void>;
  /** Starts it again after `kill` on the same port with the same directory; resolves when it answers. */
  restart(): Promise<void>;
}
