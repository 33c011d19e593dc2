import { givenUpBy, type Slice } from './slice.ts';

/** Room of one scope that is on its way back to the shared ledger. */
export interface Return {
  readonly room: number;
  /** Resolves when the shared ledger has taken it, or failed to. */
  readonly over: Promise<void>;
}

/**
 * What this node has given back and the shared ledger may not know of yet, by scope. By its key and not in its pool,
 * which may be dropped or replaced meanwhile; room of a bucket that is over costs at most a question in vain.
 */
export class GivenBack {
  readonly #underWay = new Map<string, Set<Return>>();

  /** @returns a function to call when the settlement is over; undefined for a slice that is used up */
  begin({ parts }: Slice): (() => void) | undefined {
    const rooms = parts
      .map((part) => ({ key: part.pool.key, room: givenUpBy(part) }))
      .filter(({ room }) => room > 0);
    if (rooms.length === 0) return undefined;
    let resolve: () => void = () => undefined;
    const over = new Promise<void>((resolveOver) => {
      resolve = resolveOver;
    });
    const ends = rooms.map(({ key, room }) => this.#add(key, { room, over }));
    return () => {
      for (const end of ends) end();
      resolve();
    };
  }

  #add(key: string, added: Return): () => void {
    const known = this.#underWay.get(key) ?? new Set();
    this.#underWay.set(key, known.add(added));
    return () => {
      known.delete(added);
      if (known.size === 0) this.#underWay.delete(key);
    };
  }

  /** All that is on its way for a scope. */
  of(key: string): readonly Return[] {
    return [...(this.#underWay.get(key) ?? [])];
  }
}
