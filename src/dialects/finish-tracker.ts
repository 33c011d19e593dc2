/** The most choices one stream is followed for (the OpenAI API allows 128). */
const maxChoices = 128;

/** Which choices (candidates) of a stream were seen, and whether all of them have finished. */
export interface FinishTracker {
  /** Notes a choice in a parsed chunk. An absent index is 0. */
  note(index: unknown, finished: boolean): void;
  /** Whether a choice was seen and every one that was has finished. False for good beyond 128 choices. */
  readonly allFinished: boolean;
  /** Whether the first choice, the one that is not worth a look at its index, was seen. */
  readonly hasFirst: boolean;
}

/** Starts with no choice seen. */
export function createFinishTracker(): FinishTracker {
  const finishedByIndex = new Map<number, boolean>();
  let unfinished = 0;
  let isFollowed = true;
  return {
    note(given, finished) {
      const index = typeof given === 'number' ? given : 0;
      const before = finishedByIndex.get(index);
      if (before === undefined && finishedByIndex.size === maxChoices) {
        isFollowed = false;
        return;
      }
      if (before === undefined) unfinished++;
      if (finished && before !== true) unfinished--;
      finishedByIndex.set(index, finished || before === true);
    },
    get allFinished() {
      return isFollowed && unfinished === 0 && finishedByIndex.size > 0;
    },
    get hasFirst() {
      return finishedByIndex.has(0);
    },
  };
}
