import type { KeyStore } from '../stores/key-store.ts';
import type { Unwatch } from '../stores/watch.ts';
import type { KeyResolver } from './resolver.ts';

/**
 * Makes a resolver forget every key that its store reports as changed, and all keys when anything may have changed.
 * A store without `watchKeys` is not followed: there the cache's TTL bounds how late a change is seen.
 */
export function followKeys(store: KeyStore, resolver: Pick<KeyResolver, 'forget' | 'forgetAll'>): Unwatch {
  const unwatch = store.watchKeys?.((kid) => {
    if (kid === undefined) resolver.forgetAll();
    else resolver.forget(kid);
  });
  return unwatch ?? (() => Promise.resolve());
}
