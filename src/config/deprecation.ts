import type { ModelConfig } from './schema.ts';

/** The announced end of a model. */
export interface Deprecation {
  /** When replies begin to announce it (epoch milliseconds): `deprecatedAt`, or at once if only an end is given. */
  readonly fromMs: number;
  readonly retiresAtMs: number | undefined;
  readonly replacement: string | undefined;
  /** What to say about it in `x-headgate-warning`. */
  readonly warning: string;
  /** `deprecation` (RFC 9745: a structured date) and `sunset` (RFC 8594: an HTTP date), as far as known. */
  readonly headers: Readonly<Record<string, string>>;
}

/** What a catalog entry says about its end; undefined if nothing. */
export function toDeprecation(name: string, entry: ModelConfig): Deprecation | undefined {
  const { deprecatedAt, retiresAt, replacement } = entry;
  if (deprecatedAt === undefined && retiresAt === undefined) return undefined;
  const end = retiresAt === undefined ? '' : ` and ends on ${new Date(retiresAt).toISOString().slice(0, 10)}`;
  const state = deprecatedAt === undefined ? end.slice(' and '.length) : `is deprecated${end}`;
  return {
    fromMs: deprecatedAt ?? 0,
    retiresAtMs: retiresAt,
    replacement,
    warning: `the model ${name} ${state}${replacement === undefined ? '' : `: use ${replacement}`}`,
    headers: Object.freeze({
      ...(deprecatedAt !== undefined && { deprecation: `@${Math.floor(deprecatedAt / 1_000)}` }),
      ...(retiresAt !== undefined && { sunset: new Date(retiresAt).toUTCString() }),
    }),
  };
}
