import { describe, expect, it } from 'vitest';
import { PlaceQueue } from '../../../src/upstream/health/place-queue.ts';

function createQueue(most = 3) {
  const queue = new PlaceQueue();
  const log: string[] = [];
  const add = (name: string, isBatch = false) => {
    const waiter = { isBatch, wake: () => void log.push(name), giveWay: () => void log.push(`not ${name}`) };
    return { waiter, isIn: queue.add(waiter, most) };
  };
  const drain = () => {
    for (let turn = 0; turn < 10; turn++) queue.wakeNext();
    return log;
  };
  return { queue, add, drain, log };
}

describe('places at a target', () => {
  it('go to those that wait in their order, to batches when nobody else waits', () => {
    const { add, drain } = createQueue();
    add('a');
    add('batch', true);
    add('b');
    expect(drain()).toEqual(['a', 'b', 'batch']);
  });

  it('are waited for by so many at the most; the latest batch gives way to what is urgent', () => {
    const { add, log, drain } = createQueue();
    for (const name of ['one', 'two', 'three']) add(name, true);
    expect(add('four', true).isIn).toBe(false);
    expect(add('urgent').isIn).toBe(true);
    expect(log).toEqual(['not three']);
    for (const name of ['more', 'most']) expect(add(name).isIn).toBe(true);
    expect(add('too many').isIn).toBe(false);
    expect(drain()).toEqual(['not three', 'not two', 'not one', 'urgent', 'more', 'most']);
  });

  it('are not waited for by who has left, nor by anybody where nobody may wait', () => {
    const { queue, add, drain } = createQueue();
    const { waiter } = add('gone');
    add('there');
    queue.remove(waiter);
    expect(drain()).toEqual(['there']);
    expect(createQueue(0).add('nobody').isIn).toBe(false);
  });
});
