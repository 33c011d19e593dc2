/** What stands between a store and its backend, to be broken, slowed down and frozen. */
export function createGate() {
  let isBroken = false;
  let frozen: Promise<void> | undefined;
  let delayMs = 0;
  return {
    async pass(): Promise<void> {
      await frozen;
      if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
      if (isBroken) throw new Error('connection refused');
    },
    break() {
      isBroken = true;
      return () => {
        isBroken = false;
      };
    },
    slow(ms: number) {
      delayMs = ms;
      return () => {
        delayMs = 0;
      };
    },
    freeze() {
      let thaw = () => {};
      frozen = new Promise((resolve) => {
        thaw = resolve;
      });
      return () => {
        frozen = undefined;
        thaw();
      };
    },
  };
}
