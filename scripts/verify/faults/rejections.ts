/** Watches for promises that were rejected and that nobody looked at. */
export interface RejectionWatch {
  /** Ends the watch, and says what it saw. */
  end(): Promise<readonly string[]>;
}

/** Begins to watch this process. */
export function findRejections(): RejectionWatch {
  const seen: string[] = [];
  const onRejection = (reason: unknown): void => {
    seen.push(`an unhandled rejection: ${reason instanceof Error ? reason.stack : String(reason)}`);
  };
  process.on('unhandledRejection', onRejection);
  return {
    async end() {
      // a rejection counts as unhandled when the turn is over
      await new Promise((resolve) => setImmediate(resolve));
      process.off('unhandledRejection', onRejection);
      return seen;
    },
  };
}
