/** Errors of connections that had served before and ended when written to again. */
const stale = new WeakSet<object>();

/**
 * Whether the error is of a connection that had served before and ended before any reply to the last write: it had been
 * idle for too long, and the server closed it as we wrote.
 */
export function isStaleConnection(error: unknown): boolean {
  return typeof error === 'object' && error !== null && stale.has(error);
}

/** Marks an error for `isStaleConnection`. */
export function noteStale(error: Error): void {
  stale.add(error);
}
