import { createHash } from 'node:crypto';
import type { JsonObject } from './json.ts';

const maxStored = 1_000;

/** What an upstream remembers between requests. Each collection drops its oldest member past 1,000. */
export interface UpstreamState {
  /** A unique, repeatable string of the given length over `[0-9a-f]`. */
  nextHex(length: number): string;
  /** A unique, repeatable string of the given length over `[0-9A-Za-z]`. */
  nextId(length: number): string;
  readonly responses: BoundedMap<StoredResponse>;
  readonly batches: BoundedMap<StoredBatch>;
  /** Prompt prefixes that Anthropic's cache holds. */
  readonly cachedPrefixes: BoundedMap<true>;
}

/** A stored OpenAI response with its input, newest poll last. */
export interface StoredResponse {
  response: JsonObject;
  /** What the response becomes once a background run is polled. */
  finished?: JsonObject;
  readonly inputItems: readonly JsonObject[];
}

/** A stored Anthropic batch and its result lines. */
export interface StoredBatch {
  batch: JsonObject;
  readonly results: readonly JsonObject[];
}

/** A map that never grows past its bound. */
export interface BoundedMap<V> {
  get(key: string): V | undefined;
  set(key: string, value: V): void;
  delete(key: string): boolean;
  entries(): IterableIterator<[string, V]>;
}

/** The state of a fresh upstream. */
export function createUpstreamState(): UpstreamState {
  let counter = 0;
  const digest = (encoding: 'hex' | 'base64') => {
    counter += 1;
    return createHash('sha512').update(`fake-upstream ${counter}`).digest(encoding);
  };
  return {
    nextHex: (length) => digest('hex').slice(0, length),
    nextId: (length) =>
      digest('base64')
        .replace(/[^0-9A-Za-z]/g, '')
        .slice(0, length),
    responses: createBoundedMap(),
    batches: createBoundedMap(),
    cachedPrefixes: createBoundedMap(),
  };
}

function createBoundedMap<V>(): BoundedMap<V> {
  const map = new Map<string, V>();
  return {
    get: (key) => map.get(key),
    set(key, value) {
      map.set(key, value);
      if (map.size > maxStored) {
        map.delete(map.keys().next().value as string);
      }
    },
    delete: (key) => map.delete(key),
    entries: () => map.entries(),
  };
}
