import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, expect, it } from 'vitest';
import { afterPromises, atEndOfTurn, Gathered, gather } from '../src/gather.ts';

/** Something that can be gathered. */
class Item<Value> extends Gathered {
  readonly value: Value;

  constructor(value: Value) {
    super();
    this.value = value;
  }
}

/** The same for values. */
function gatherValues<Value>(
  when: (run: () => void) => void,
  each: (value: Value) => void,
  most?: number,
): (value: Value) => void {
  const add = gather(when, ({ value }: Item<Value>) => each(value), most);
  return (value) => add(new Item(value));
}

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
    const add = gatherValues(when, (item: string) => done.push(item));
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
    const add = gatherValues(when, (item: number) => {
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
    const add = gatherValues(when, (item: number) => done.push(item), 3);
    for (let item = 1; item <= 7; item++) add(item);
    expect(done).toEqual([1, 2, 3, 4, 5, 6]);
    expect(come()).toBe(1);
    expect(done).toEqual([1, 2, 3, 4, 5, 6, 7]);
    add(8);
    expect(come()).toBe(1);
    expect(done.at(-1)).toBe(8);
  });

  it('is done in the context that it was made in', () => {
    const { when, come } = createMoment();
    const callers = new AsyncLocalStorage<string>();
    const done: (string | undefined)[] = [];
    const add = gatherValues(when, (item: string) => done.push(item, callers.getStore()));
    callers.run('one', () => add('a'));
    callers.run('other', () => add('b'));
    add('c');
    callers.run('third', come);
    expect(done).toEqual(['a', 'one', 'b', 'other', 'c', undefined]);
  });

  it('is not taken a second time while it waits, and again once it is done', () => {
    const { when, come } = createMoment();
    const done: string[] = [];
    const item = new Item('a');
    const add = gather(when, ({ value }: Item<string>) => done.push(value));
    const addElsewhere = gather(when, ({ value }: Item<string>) => done.push(`${value} elsewhere`));
    add(item);
    add(item);
    addElsewhere(item);
    come();
    expect(done).toEqual(['a']);
    addElsewhere(item);
    come();
    expect(done).toEqual(['a', 'a elsewhere']);
  });

  it('is done once when what is done before it brings it up again', () => {
    const { when, come } = createMoment();
    const done: string[] = [];
    const second = new Item('second');
    const add = gather(when, ({ value }: Item<string>) => {
      done.push(value);
      if (value === 'first') add(second);
    });
    add(new Item('first'));
    add(second);
    come();
    expect(done).toEqual(['first', 'second']);
    expect(come()).toBe(0);
  });

  it('can be gathered again where one before it has thrown', () => {
    const { when, come } = createMoment();
    const done: string[] = [];
    const add = gather(when, ({ value }: Item<string>) => {
      if (value === 'broken') throw new Error(value);
      done.push(value);
    });
    const behind = new Item('behind');
    add(new Item('broken'));
    add(behind);
    expect(come).toThrow('broken');
    add(behind);
    come();
    expect(done).toEqual(['behind']);
  });

  it('may wait for the end of the turn, or for the promises that are settled', async () => {
    const done: string[] = [];
    const ended = new Promise<void>((resolve) => {
      gatherValues(atEndOfTurn, (item: string) => {
        done.push(item);
        resolve();
      })('turn');
    });
    gatherValues(afterPromises, (item: string) => done.push(item))('promises');
    void Promise.resolve()
      .then(() => done.push('one'))
      .then(() => done.push('two'));
    expect(done).toEqual([]);
    await ended;
    // a tick that is asked for from within a promise comes behind all of them
    expect(done).toEqual(['one', 'two', 'promises', 'turn']);
  });
});
