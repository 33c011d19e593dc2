import { AsyncResource } from 'node:async_hooks';
import { type Linked, LinkedQueue } from './linked-queue.ts';

/**
 * What can be gathered. It remembers the asynchronous context that it was made in (`AsyncLocalStorage`, traces): whatever
 * is done with it later is done in that.
 */
export abstract class Gathered extends AsyncResource implements Linked<Gathered> {
  /** The links of the queue that it waits in, and whether it does. */
  before: Gathered | undefined = undefined;
  behind: Gathered | undefined = undefined;
  isWaiting = false;

  constructor() {
    super('headgate.gather', noDestroyHook);
  }
}

// else each would be watched for when it is garbage
const noDestroyHook = { requireManualDestroy: true };

/**
 * Gathers what comes up until `when`, and does it then, one after the other, each in the asynchronous context that it was
 * made in. What waits already, here or elsewhere, is not taken a second time.
 *
 * @param when calls what it is given, once, when it is time: `atEndOfTurn`, `afterPromises`
 * @param each must not throw: what was gathered behind it would be lost
 * @param most as soon as there are so many they are not waited with. @default 64
 */
export function gather<Item extends Gathered>(
  when: (run: () => void) => void,
  each: (item: Item) => void,
  most = 64,
): (item: Item) => void {
  // no array: one that V8 has put among its old objects would keep all that was in it, requests and replies, until the next
  // full collection
  let waiting = new LinkedQueue<Gathered>();
  let isAwaited = false;
  const take = (from: LinkedQueue<Gathered>, item: Gathered) => {
    from.remove(item);
    item.isWaiting = false;
  };
  // what each needs is in the processor's caches from the second one on, and a process at the other end is woken once for
  // all that is written
  const run = () => {
    const all = waiting;
    waiting = new LinkedQueue();
    try {
      for (let next = all.first; next; next = all.first) {
        take(all, next);
        next.runInAsyncScope(each, undefined, next as Item);
      }
    } finally {
      // only where one has thrown: what is behind it can be gathered again
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

/** When everything that has arrived by now has been looked at. */
export const atEndOfTurn = (run: () => void): void => void setImmediate(run);

/** When the promises that are settled by now have been acted upon. */
export const afterPromises = (run: () => void): void => process.nextTick(run);
