import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, expect, it } from 'vitest';
import { afterPromises, atEndOfTurn, gather } from '../src/gather.ts';

/** A moment that comes when it is told to. */
function createMoment() {
  const waiting: (() => void)[] = [];
  return {
    when: (run: () => void) => void waiting.push(run),
    /** How many waited for it. */
    come: () => waiting.splice(0).map((run) => run()).length,
  };
}

describe('what is gathered', () => {
  it('is done together and in order, when the time has come', () => {
    const { when, come } = createMoment();
    const done: string[] = [];
    const add = gather(when, (item: string) => done.push(item));
    for (const item of ['a', 'b', 'c']) add(item);
    expect(done).toEqual([]);
    expect(come()).toBe(1);
    expect(done).toEqual(['a', 'b', 'c']);
    expect(come()).toBe(0);
    add('d');
    expect(come()).toBe(1);
    expect(done).toEqual(['a', 'b', 'c', 'd']);
  });

  it('waits for the next time when it comes up meanwhile', () => {
    const { when, come } = createMoment();
    const done: number[] = [];
    const add = gather(when, (item: number) => {
      done.push(item);
      if (item < 3) add(item + 1);
    });
    add(1);
    for (const expected of [[1], [1, 2], [1, 2, 3]]) {
      expect(come()).toBe(1);
      expect(done).toEqual(expected);
    }
    expect(come()).toBe(0);
  });

  it('is done at once when it has become much, and nothing of it twice', () => {
    const { when, come } = createMoment();
    const done: number[] = [];
    const add = gather(when, (item: number) => done.push(item), 3);
    for (let item = 1; item <= 7; item++) add(item);
    expect(done).toEqual([1, 2, 3, 4, 5, 6]);
    expect(come()).toBe(1);
    expect(done).toEqual([1, 2, 3, 4, 5, 6, 7]);
    add(8);
    expect(come()).toBe(1);
    expect(done.at(-1)).toBe(8);
  });

  it('is done in the context that it came up in', () => {
    const { when, come } = createMoment();
    const callers = new AsyncLocalStorage<string>();
    const done: (string | undefined)[] = [];
    const add = gather(when, (item: string) => done.push(item, callers.getStore()));
    callers.run('one', () => add('a'));
    callers.run('other', () => add('b'));
    add('c');
    callers.run('third', come);
    expect(done).toEqual(['a', 'one', 'b', 'other', 'c', undefined]);
  });

  it('may wait for the end of the turn, or for the promises that are settled', async () => {
    const done: string[] = [];
    const ended = new Promise<void>((resolve) => {
      gather(atEndOfTurn, (item: string) => {
        done.push(item);
        resolve();
      })('turn');
    });
    gather(afterPromises, (item: string) => done.push(item))('promises');
    void Promise.resolve()
      .then(() => done.push('one'))
      .then(() => done.push('two'));
    expect(done).toEqual([]);
    await ended;
    // a tick that is asked for from within a promise comes behind all of them
    expect(done).toEqual(['one', 'two', 'promises', 'turn']);
  });
});
