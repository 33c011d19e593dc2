import { AsyncResource } from 'node:async_hooks';

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
  // a list whose links are cut as it is worked off, and no array: one that V8 has put among its old objects would keep all
  // that was in it, requests and replies, until the next full collection
  let first: Gathered<Item> | undefined;
  let last: Gathered<Item> | undefined;
  let count = 0;
  let isWaiting = false;
  const run = () => {
    let next = first;
    first = last = undefined;
    count = 0;
    while (next) {
      const gathered = next;
      next = gathered.behind;
      gathered.behind = undefined;
      gathered.runInAsyncScope(each, undefined, gathered.item);
    }
  };
  const runWaiting = () => {
    isWaiting = false;
    run();
  };
  return (item) => {
    const gathered = new Gathered(item);
    if (last) last.behind = gathered;
    else first = gathered;
    last = gathered;
    count++;
    if (count >= most) run();
    else if (!isWaiting) {
      isWaiting = true;
      when(runWaiting);
    }
  };
}

class Gathered<Item> extends AsyncResource {
  readonly item: Item;
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
