/** Codes of a store that is up but does not keep up: its own, and those of store clients. */
const codes: ReadonlySet<unknown> = new Set(['ETIMEDOUT', 'late', 'overloaded', 'EXPIRED', 'BUSY']);
const maxDepth = 4;

/** Whether a ledger was only late, by the `code` of its error or its causes: it may be slow, or dead. */
export function isLate(error: unknown): boolean {
  let cause = error;
  for (let depth = 0; depth < maxDepth && typeof cause === 'object' && cause !== null; depth++) {
    const { code } = cause as { readonly code?: unknown };
    if (codes.has(code)) return true;
    ({ cause } = cause as { readonly cause?: unknown });
  }
  return false;
}
