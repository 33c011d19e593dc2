import assert from 'node:assert/strict';
import type { Undo } from './key-store.ts';

/**
 * A backend under test, fresh and empty for every case. Its functions are called without `this`. Whoever made it closes
 * what it opened.
 */
export interface StoreHarness<Store> {
  readonly store: Store;
  /**
   * The same data as on another node: an instance with its own connection. Only a backend that lives in one
   * process may return `store` itself. May be called several times.
   */
  readonly second: () => Store | Promise<Store>;
  /**
   * Makes every call fail from now on (connections refused, server killed, …). Resolves when calls fail and watches
   * have had time to notice. The result undoes it.
   */
  readonly breakStore?: () => Undo | Promise<Undo>;
  /** Makes the backend accept calls but answer none (server stopped, packets dropped). The result undoes it. */
  readonly freeze?: () => Undo | Promise<Undo>;
  /**
   * Makes the backend slow from now on: every answer comes noticeably later, but well within `deadlineMs`. The
   * result undoes it.
   */
  readonly slow?: () => Undo | Promise<Undo>;
  /**
   * Replaces the backend by another server that has everything stored so far: a promoted replica, or a copy put in its
   * place. Connections are lost. Resolves when the new one serves.
   */
  readonly failOver?: () => void | Promise<void>;
  /** Milliseconds within which the store itself gives up a call. @default 5_000 */
  readonly deadlineMs?: number;
  /** Milliseconds within which a change by one node is reported to another. @default 10_000 */
  readonly patienceMs?: number;
}

/** What a case needs of a harness and its store besides the methods that every store has. */
export type StoreNeed = 'watch' | 'clock' | StoreFault;

/** A fault that a harness can cause. */
export type StoreFault = 'breakStore' | 'freeze' | 'slow' | 'failOver';

/** One rule of an interface, as a test. */
export interface StoreCase<Store> {
  readonly name: string;
  /** What the store or the harness must be able to do for this case. `run` fails when it cannot. */
  readonly needs?: readonly StoreNeed[];
  /** @throws AssertionError when the store breaks the contract */
  run(harness: StoreHarness<Store>): Promise<void>;
}

/** The fault, or the second store, that a harness must have for a case. @throws AssertionError when it has none */
export function partOf<Harness, Name extends keyof Harness & string>(
  harness: Harness,
  name: Name,
): NonNullable<Harness[Name]> {
  const part = harness[name];
  assert.ok(part, `the harness has no ${name}(): give it one, or leave the case out with the reason`);
  return part;
}

/**
 * How many times its deadline a call may take before it counts as never given up: a busy machine is late with
 * everything, and a call without a deadline never ends.
 */
export const lateness = 10;

/**
 * Waits until `isDone`, and fails after `ms`, naming what it waited for; but not before it has looked several times,
 * which a process that was stopped meanwhile has not.
 */
export async function until(what: string, isDone: () => boolean, ms: number): Promise<void> {
  const end = performance.now() + ms;
  for (let looks = 0; !isDone(); looks++) {
    assert.ok(performance.now() < end || looks < ms / 10, `waited ${ms} ms in vain for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** Waits some turns of the event loop, for what is already under way. */
export async function turns(count: number): Promise<void> {
  for (let index = 0; index < count; index++) await new Promise((resolve) => setImmediate(resolve));
}

/** Runs `act` for each item, `width` at a time, as a busy node does. */
export async function inBatches<T>(
  items: readonly T[],
  width: number,
  act: (item: T) => Promise<unknown>,
): Promise<void> {
  for (let start = 0; start < items.length; start += width) {
    await Promise.all(items.slice(start, start + width).map(act));
  }
}

/** Tries to change what a store keeps or has returned, which may be frozen. */
export function spoil(change: () => unknown): void {
  try {
    change();
  } catch (error) {
    assert.ok(error instanceof TypeError, 'only being frozen is a reason to fail');
  }
}

/** Fails on a page that would make paging endless or wrong: too long, out of order, or not after `after`. */
export function expectPage(ids: readonly string[], limit: number, after = ''): void {
  assert.ok(ids.length <= limit, `a page of ${ids.length}, asked for ${limit}`);
  assert.deepEqual(ids, ids.filter((id) => id > after).sort());
}

/** A recovered store may first have to notice dead connections: calls may fail a little longer, but never lie. */
export async function eventually(act: () => void | Promise<void>, ms: number): Promise<void> {
  const end = performance.now() + ms;
  for (;;) {
    try {
      return await act();
    } catch (error) {
      if (error instanceof assert.AssertionError || performance.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

/** Fails unless `call` rejects with an Error before `ms` are over. A call that throws at once counts as rejecting. */
export async function rejectsWithin(name: string, call: () => Promise<unknown>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(resolve, ms, 'late');
  });
  const ended = (async () => call())().then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  const end = await Promise.race([ended, late]).finally(() => clearTimeout(timer));
  assert.notEqual(end, 'late', `${name} has not ended after ${ms} ms`);
  assert.ok(typeof end === 'object' && 'error' in end, `${name} must reject, and gave ${toText(end)}`);
  assert.ok(end.error instanceof Error, `${name} rejected with ${toText(end.error)}, which is no Error`);
}

function toText(value: unknown): string {
  return JSON.stringify(value) ?? String(value);
}
