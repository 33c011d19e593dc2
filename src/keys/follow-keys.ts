import type { KeyStore } from '../stores/key-store.ts';
import type { Unwatch } from '../stores/watch.ts';
import type { KeyResolver } from './resolver.ts';

/**
 * Makes a resolver forget every key that its store tells a change of, and all of them when anything may have changed.
 * A store that tells of nothing is not followed: there the cache's time bounds how late a change is seen.
 */
export function followKeys(store: KeyStore, resolver: Pick<KeyResolver, 'forget' | 'forgetAll'>): Unwatch {
  const unwatch = store.watchKeys?.((kid) => {
    if (kid === undefined) resolver.forgetAll();
    else resolver.forget(kid);
  });
  return unwatch ?? (() => Promise.resolve());
}
