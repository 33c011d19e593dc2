import { AsyncResource } from 'node:async_hooks';
import { type Linked, LinkedQueue } from './linked-queue.ts';

/**
 * An item that can be gathered. It remembers the asynchronous context it was created in (`AsyncLocalStorage`, traces):
 * whatever is done with it later runs in that context.
 */
export abstract class Gathered extends AsyncResource implements Linked<Gathered> {
  /** Its links in the queue that it waits in, and whether it does. */
  before: Gathered | undefined = undefined;
  behind: Gathered | undefined = undefined;
  isWaiting = false;

  constructor() {
    super('headgate.gather', noDestroyHook);
  }
}

// else Node would track when each becomes garbage
const noDestroyHook = { requireManualDestroy: true };

/**
 * Gathers items until `when`, then handles them one after the other, each in the asynchronous context it was created
 * in. An item that already waits, here or elsewhere, is not added again.
 *
 * @param when calls its argument once, when it is time: `atEndOfTurn`, `afterPromises`
 * @param each must not throw: the items gathered behind it would be lost
 * @param most as soon as so many wait, they are handled at once. @default 64
 */
export function gather<Item extends Gathered>(
  when: (run: () => void) => void,
  each: (item: Item) => void,
  most = 64,
): (item: Item) => void {
  // not an array: once among V8's old objects, it would keep everything that was in it, requests and replies, alive
  // until the next full collection
  let waiting = new LinkedQueue<Gathered>();
  let isAwaited = false;
  const take = (from: LinkedQueue<Gathered>, item: Gathered) => {
    from.remove(item);
    item.isWaiting = false;
  };
  // from the second item on, what it needs is in the CPU caches; and the process at the other end is woken once for all
  // that is written
  const run = () => {
    const all = waiting;
    waiting = new LinkedQueue();
    try {
      for (let next = all.first; next; next = all.first) {
        take(all, next);
        next.runInAsyncScope(each, undefined, next as Item);
      }
    } finally {
      // only if one has thrown: the items behind it can be gathered again
      for (let next = all.first; next; next = all.first) take(all, next);
    }
  };
  const runAll = () => {
    isAwaited = false;
    run();
  };
  return (item) => {
    if (item.isWaiting) return;
    item.isWaiting = true;
    waiting.add(item);
    if (waiting.size >= most) run();
    else if (!isAwaited) {
      isAwaited = true;
      when(runAll);
    }
  };
}

/** When everything that has arrived by now has been processed. */
export const atEndOfTurn = (run: () => void): void => void setImmediate(run);

/** When the callbacks of promises settled by now have run. */
export const afterPromises = (run: () => void): void => process.nextTick(run);
