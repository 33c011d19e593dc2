import type { Model } from './model.ts';
import type { NameIndex } from './name-index.ts';
import { matchesAny } from './patterns.ts';

/** The models that a list of patterns permits. */
export interface ModelSet {
  readonly patterns: readonly string[];
  /** Whether it contains a model. Constant time after the first call for a model. */
  has(model: Model): boolean;
  /** One bit for each entry of the catalog: set if the entry is in it or, for a pattern, if a match of it may be. */
  bits(): Uint32Array;
}

/** Makes the model sets of one catalog. */
export interface ModelSets {
  /** Computes nothing yet: a set costs something on first use. */
  of(patterns: readonly string[]): ModelSet;
  /** As `of`; equal lists give the same set. For lists of the configuration, whose number is bounded. */
  shared(patterns: readonly string[]): ModelSet;
  /** Entries that have been looked at so far. */
  readonly visits: number;
}

// longer lists are rarely equal, and comparing them would cost more than it saves
const maxSharedPatterns = 32;

/** `index` has the catalog's names in the order of `Model.index`. Compare bits only between sets of one index. */
export function createModelSets(index: NameIndex): ModelSets {
  let visits = 0;
  const shared = new Map<string, ModelSet>();

  function of(patterns: readonly string[]): ModelSet {
    let bits: Uint32Array | undefined;
    // forgotten together with the model
    let matches: WeakMap<Model, boolean> | undefined;
    const toBits = () => {
      bits ??= computeBits(patterns);
      return bits;
    };
    return {
      patterns,
      bits: toBits,
      has(model) {
        if (model.pattern === undefined) {
          return hasBit(bits ?? toBits(), model.index);
        }
        matches ??= new WeakMap();
        let known = matches.get(model);
        if (known === undefined) {
          visits++;
          known = matchesAny(patterns, model.name);
          matches.set(model, known);
        }
        return known;
      },
    };
  }

  function computeBits(patterns: readonly string[]): Uint32Array {
    const bits = createBits(index.size);
    for (const pattern of patterns) {
      index.eachOverlap(pattern, (place) => {
        visits++;
        setBit(bits, place);
      });
    }
    return bits;
  }

  return {
    of,
    shared(patterns) {
      if (patterns.length > maxSharedPatterns) return of(patterns);
      const key = patterns.join('\n');
      let set = shared.get(key);
      if (!set) {
        set = of(patterns);
        shared.set(key, set);
      }
      return set;
    },
    get visits() {
      return visits;
    },
  };
}

/** `size` bits, none set. */
export function createBits(size: number): Uint32Array {
  return new Uint32Array(Math.ceil(size / 32));
}

/** `place` is the index of an entry in the catalog. */
export function setBit(bits: Uint32Array, place: number): void {
  bits[place >>> 5] = (bits[place >>> 5] as number) | (1 << (place & 31));
}

/** `place` is the index of an entry in the catalog. */
export function hasBit(bits: Uint32Array, place: number): boolean {
  return ((bits[place >>> 5] as number) & (1 << (place & 31))) !== 0;
}

/** Whether no bit is set. */
export function isEmpty(bits: Uint32Array): boolean {
  return bits.every((word) => word === 0);
}

/** The bits set in all; undefined stands for all bits. */
export function intersect(...all: readonly (Uint32Array | undefined)[]): Uint32Array | undefined {
  const given = all.filter((bits) => bits !== undefined);
  const [first, ...others] = given;
  if (!first) return undefined;
  const result = first.slice();
  for (const bits of others) {
    for (let word = 0; word < result.length; word++) {
      result[word] = (result[word] as number) & (bits[word] as number);
    }
  }
  return result;
}

/** Adds the bits of another. */
export function unite(bits: Uint32Array, other: Uint32Array): void {
  for (let word = 0; word < bits.length; word++) {
    bits[word] = (bits[word] as number) | (other[word] as number);
  }
}

/** Places of the bits that are set. */
export function placesOf(bits: Uint32Array): number[] {
  const places: number[] = [];
  for (let word = 0; word < bits.length; word++) {
    let rest = (bits[word] as number) >>> 0;
    while (rest !== 0) {
      const lowest = 31 - Math.clz32(rest & -rest);
      places.push(word * 32 + lowest);
      rest = (rest & (rest - 1)) >>> 0;
    }
  }
  return places;
}
