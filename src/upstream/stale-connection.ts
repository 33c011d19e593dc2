/** Errors of connections that had served before, and ended as they were written to again. */
const stale = new WeakSet<object>();

/**
 * Whether a connection ended that had served before, and of the reply to what was written last nothing had come: it had
 * been idle for too long, and the server closed it as we wrote.
 */
export function isStaleConnection(error: unknown): boolean {
  return typeof error === 'object' && error !== null && stale.has(error);
}

/** Lets `isStaleConnection` know an error. */
export function noteStale(error: Error): void {
  stale.add(error);
}
