/** What stands between a store and its backend, to be broken and frozen. */
export function createGate() {
  let isBroken = false;
  let frozen: Promise<void> | undefined;
  return {
    async pass(): Promise<void> {
      await frozen;
      if (isBroken) throw new Error('connection refused');
    },
    break() {
      isBroken = true;
      return () => {
        isBroken = false;
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
