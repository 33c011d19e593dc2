import type { ReadScope } from '../../../src/limits/ledger.ts';
import { createSqliteStores } from '../../../src/stores/sqlite/sqlite-stores.ts';

/**
 * What is still held in a ledger when nobody runs any more. What those held that were killed lapses with their leases, so
 * it is waited for.
 */
export async function readHeld(
  file: string,
  scopes: readonly ReadScope[],
  forMs: number,
): Promise<{ readonly held: number; readonly afterMs: number }> {
  const stores = createSqliteStores({ file });
  const startedMs = performance.now();
  try {
    for (;;) {
      const states = await stores.ledger.peek(scopes);
      const held = states.reduce((sum, state) => sum + state.held, 0);
      const afterMs = performance.now() - startedMs;
      if (held === 0 || afterMs > forMs) return { held, afterMs };
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  } finally {
    await stores.ledger.close?.();
    await stores.close();
  }
}
