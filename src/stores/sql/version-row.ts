import type { ConfigVersionInfo } from '../config-store.ts';

/** A version without its configuration, from its row, whose columns are the same in both databases. */
export function toVersionInfo(row: Readonly<Record<string, unknown>>): ConfigVersionInfo {
  return {
    number: Number(row.number),
    author: String(row.author),
    createdAtMs: Number(row.created_at_ms),
    ...(row.message !== null && { message: String(row.message) }),
    digest: String(row.digest),
  };
}
