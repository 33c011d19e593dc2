import { AsyncResource } from 'node:async_hooks';
import { type Linked, LinkedQueue } from './linked-queue.ts';

/**
 * Gathers what comes up until `when`, and does it then, one after the other, each in the asynchronous context that it came
 * up in (`AsyncLocalStorage`, traces). What each needs is in the processor's caches from the second one on, and a process
 * at the other end is woken once for all that is written.
 *
 * @param when calls what it is given, once, when it is time: `atEndOfTurn`, `afterPromises`
 * @param each must not throw: what was gathered behind it would be lost
 * @param most as soon as there are so many they are not waited with. @default 64
 */
export function gather<Item>(
  when: (run: () => void) => void,
  each: (item: Item) => void,
  most = 64,
): (item: Item) => void {
  // no array: one that V8 has put among its old objects would keep all that was in it, requests and replies, until the next
  // full collection
  let waiting = new LinkedQueue<Gathered<Item>>();
  let isWaiting = false;
  const run = () => {
    const all = waiting;
    waiting = new LinkedQueue();
    for (let gathered = all.first; gathered; gathered = all.first) {
      all.remove(gathered);
      gathered.runInAsyncScope(each, undefined, gathered.item);
    }
  };
  const runWaiting = () => {
    isWaiting = false;
    run();
  };
  return (item) => {
    waiting.add(new Gathered(item));
    if (waiting.size >= most) run();
    else if (!isWaiting) {
      isWaiting = true;
      when(runWaiting);
    }
  };
}

class Gathered<Item> extends AsyncResource implements Linked<Gathered<Item>> {
  readonly item: Item;
  before: Gathered<Item> | undefined = undefined;
  behind: Gathered<Item> | undefined = undefined;

  constructor(item: Item) {
    super('headgate.gather', noDestroyHook);
    this.item = item;
  }
}

// else each would be watched for when it is garbage
const noDestroyHook = { requireManualDestroy: true };

/** When everything that has arrived by now has been looked at. */
export const atEndOfTurn = (run: () => void): void => void setImmediate(run);

/** When the promises that are settled by now have been acted upon. */
export const afterPromises = (run: () => void): void => process.nextTick(run);
