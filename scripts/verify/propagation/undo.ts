/** What has to be ended again, newest first. */
export interface Undo {
  /** Remembers how to end something, and gives it back. */
  keep<Thing>(thing: Thing, end: (thing: Thing) => unknown): Thing;
  /** Ends everything that was kept. Never rejects. */
  run(): Promise<void>;
}

/** Nothing yet. */
export function createUndo(): Undo {
  const ends: (() => unknown)[] = [];
  let isOver = false;
  const attempt = async (end: () => unknown): Promise<void> => {
    try {
      await end();
    } catch (error) {
      console.error(error);
    }
  };
  return {
    keep(thing, end) {
      // what was still being started when everything ended
      if (isOver) void attempt(() => end(thing));
      else ends.push(() => end(thing));
      return thing;
    },
    async run() {
      isOver = true;
      for (let end = ends.pop(); end !== undefined; end = ends.pop()) await attempt(end);
    },
  };
}
