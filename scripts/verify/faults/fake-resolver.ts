import dns from 'node:dns';
import { syncBuiltinESMExports } from 'node:module';

/** What a name leads to: addresses, or the code of the resolver's error; after a while, perhaps. */
export interface Answer {
  readonly addresses?: readonly string[];
  readonly code?: string;
  readonly delayMs?: number;
}

/** A resolver in the place of the process's own, for the names that it knows. */
export interface FakeResolver {
  /** Names that were asked for, in order. */
  readonly asked: readonly string[];
  /** Takes it away again. */
  close(): void;
}

type Callback = (error: Error | null, address?: unknown, family?: number) => void;

/**
 * Answers for names in `.test`, in the place where node:net asks: everything above it, the connector included, is what
 * runs in production. Other names go to the resolver that was there.
 */
export function installResolver(answer: (name: string, times: number) => Answer): FakeResolver {
  const usual = dns.lookup;
  const asked: string[] = [];
  const lookup = (name: string, options: unknown, callback?: Callback): void => {
    const done = (callback ?? options) as Callback;
    const wanted = (callback ? options : {}) as { all?: boolean };
    if (!name.endsWith('.test')) {
      (usual as (name: string, options: unknown, callback: Callback) => void)(name, wanted, done);
      return;
    }
    asked.push(name);
    const { addresses = [], code, delayMs = 0 } = answer(name, asked.filter((it) => it === name).length);
    setTimeout(() => {
      if (code !== undefined) {
        const error = Object.assign(new Error(`getaddrinfo ${code} ${name}`), {
          ...{ code, syscall: 'getaddrinfo', hostname: name },
        });
        return done(error);
      }
      const all = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
      if (wanted.all) done(null, all);
      else done(null, all[0]?.address, all[0]?.family);
    }, delayMs);
  };
  dns.lookup = lookup as typeof dns.lookup;
  syncBuiltinESMExports();
  return {
    asked,
    close() {
      dns.lookup = usual;
      syncBuiltinESMExports();
    },
  };
}
