import { toPath } from '../config/config-error.ts';
import { configSchema, type LimitConfig } from '../config/schema.ts';
import type { KeyRecord } from '../stores/key-store.ts';

/** The key to make. */
export interface KeyRequest {
  readonly team: string;
  readonly project?: string;
  /** The user who holds it. */
  readonly owner?: string;
  /** The agent or application it is for. */
  readonly application?: string;
  /** 2 to 8 lower-case letters, part of the key. @default 'live' */
  readonly environment?: string;
  /** A name for people, up to 200 characters. */
  readonly name?: string;
  /** Up to 32 labels, up to 256 characters each; its requests carry them. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Narrows the team's profile to these models or patterns. */
  readonly models?: readonly string[];
  /** Limits of this key alone, on top of all that it inherits. */
  readonly limits?: readonly LimitConfig[];
  /** The key is refused from this instant on. Give this or `lifetimeMs`. */
  readonly expiresAtMs?: number;
  /** The same, as a time from now. */
  readonly lifetimeMs?: number;
}

/** The changes to make to a key; `null` removes a field, and absent ones stay. */
export interface KeyChange {
  readonly name?: string | null;
  readonly application?: string | null;
  readonly labels?: Readonly<Record<string, string>> | null;
  readonly models?: readonly string[] | null;
  readonly limits?: readonly LimitConfig[] | null;
  readonly expiresAtMs?: number | null;
}

const maxNameLength = 200;
const maxLabels = 32;
const maxLabelLength = 256;
/** Fields that have a schema of their own, see `configSchema.shape.keys`. */
const schemaFields = [
  'kid',
  'secretHash',
  'pepperId',
  'team',
  'project',
  'owner',
  'application',
  'environment',
  'models',
  'expiresAtMs',
  'createdAtMs',
  'last4',
] as const satisfies readonly (keyof KeyRecord)[];

/**
 * The record, if it can be stored, with the defaults of its limits filled in.
 *
 * @throws TypeError naming the invalid field
 */
export function requireUsableRecord<R extends KeyRecord>(owner: string, record: R): R {
  const known = Object.fromEntries(
    schemaFields.flatMap((field) => (record[field] === undefined ? [] : [[field, record[field]]])),
  );
  const checked = configSchema().shape.keys.safeParse([known]);
  if (!checked.success) throw refuse(owner, '', checked.error.issues, 1);
  const limits = configSchema().shape.limits.safeParse(record.limits ?? []);
  if (!limits.success) throw refuse(owner, 'limits', limits.error.issues, 0);
  if (record.createdBy !== undefined) requireText(owner, 'author', record.createdBy, maxNameLength);
  if (record.name !== undefined) requireText(owner, 'name', record.name, maxNameLength);
  const labels = Object.entries(record.labels ?? {});
  if (labels.length > maxLabels)
    throw new TypeError(`${owner}: "labels" has more than ${maxLabels} entries.`);
  for (const [label, value] of labels) {
    requireText(owner, 'labels', label, maxLabelLength);
    if (value !== '') requireText(owner, `labels.${label}`, value, maxLabelLength);
  }
  return record.limits === undefined ? record : { ...record, limits: limits.data };
}

function refuse(
  owner: string,
  field: string,
  issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[],
  depth: number,
): TypeError {
  const [issue] = issues;
  const rest = issue?.path.slice(depth) ?? [];
  return new TypeError(`${owner}: "${toPath(field === '' ? rest : [field, ...rest])}": ${issue?.message}.`);
}

function requireText(owner: string, option: string, value: unknown, maxLength: number): void {
  const isUsable =
    typeof value === 'string' &&
    value.length >= 1 &&
    value.length <= maxLength &&
    // control characters would break lists, logs and headers
    !/[\p{Cc}\p{Cs}]/u.test(value);
  if (isUsable) return;
  throw new TypeError(
    `${owner}: "${option}" must be a text of 1 to ${maxLength} characters without control characters.`,
  );
}
