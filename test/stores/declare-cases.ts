import { afterEach, it } from 'vitest';

/** What closes everything that was opened for a case; called when it has ended, however it did. */
export interface Closable {
  readonly close?: () => Promise<void>;
}

/**
 * What declares a case of a contract: as a test over a fresh harness, or, when one of its needs stands in `without`, as
 * one that is left out, shown with the reason. `create` is told what the case needs: where nothing is to freeze, no call
 * is to meet its deadline.
 */
export function toDeclare<Harness extends Closable, Need extends string>(
  create: (needs: readonly Need[]) => Harness | Promise<Harness>,
  without: Partial<Record<Need, string>>,
  timeoutMs: number,
) {
  let open: Harness | undefined;
  afterEach(async () => {
    await open?.close?.();
    open = undefined;
  });

  return (name: string, needs: readonly Need[], run: (harness: Harness) => Promise<void>): void => {
    const reason = needs.map((need) => without[need]).find((text) => text !== undefined);
    if (reason !== undefined) it.skip(`${name} (left out: ${reason})`);
    else {
      it(name, { timeout: timeoutMs }, async () => {
        open = await create(needs);
        await run(open);
      });
    }
  };
}
