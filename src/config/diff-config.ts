import { util } from '../built-in.ts';
import { toPath } from './config-error.ts';
import { hiddenSecret } from './plain-config.ts';

/** One difference between two configurations. Values are safe to show: secrets are `[secret]`. */
export interface ConfigDifference {
  /** Where, as `models.gpt-4.1.targets[0]`; parts of `keys` and `credentials` by id, as `keys[7Qd2mK9aBc1x]`. */
  readonly path: string;
  readonly kind: 'added' | 'removed' | 'changed';
  /** Absent if it was added. */
  readonly before?: unknown;
  /** Absent if it was removed. */
  readonly after?: unknown;
}

/**
 * What changed between two configurations, by path, members in the order of their names. A part that only one of them
 * has is one difference.
 */
export function diffConfig(before: unknown, after: unknown): ConfigDifference[] {
  const differences: ConfigDifference[] = [];
  compare(before, after, [], differences);
  return differences;
}

type Path = readonly PropertyKey[];

function compare(before: unknown, after: unknown, path: Path, differences: ConfigDifference[]): void {
  if (before === undefined && after === undefined) return;
  const at = toPath(path);
  if (before === undefined) {
    differences.push({ path: at, kind: 'added', after: toShown(after, path) });
  } else if (after === undefined) {
    differences.push({ path: at, kind: 'removed', before: toShown(before, path) });
  } else if (isObject(before) && isObject(after)) {
    for (const key of [...new Set([...Object.keys(before), ...Object.keys(after)])].sort()) {
      compare(own(before, key), own(after, key), [...path, key], differences);
    }
  } else if (Array.isArray(before) && Array.isArray(after)) {
    compareLists(before, after, path, differences);
  } else if (!util.isDeepStrictEqual(before, after)) {
    differences.push({
      path: at,
      kind: 'changed',
      before: toShown(before, path),
      after: toShown(after, path),
    });
  }
}

function compareLists(
  before: readonly unknown[],
  after: readonly unknown[],
  path: Path,
  differences: ConfigDifference[],
): void {
  const [one, other] = [byId(before), byId(after)];
  if (!one || !other) {
    const length = Math.max(before.length, after.length);
    for (let index = 0; index < length; index++) {
      compare(before[index], after[index], [...path, index], differences);
    }
    return;
  }
  const list = path.at(-1);
  for (const id of new Set([...one.keys(), ...other.keys()])) {
    compare(one.get(id), other.get(id), [...path.slice(0, -1), `${String(list)}[${id}]`], differences);
  }
  const common = (from: ReadonlyMap<string, unknown>, to: ReadonlyMap<string, unknown>) =>
    [...from.keys()].filter((id) => to.has(id));
  const [oldOrder, newOrder] = [common(one, other), common(other, one)];
  if (util.isDeepStrictEqual(oldOrder, newOrder)) return;
  differences.push({
    path: `${toPath(path)} (order)`,
    kind: 'changed',
    before: oldOrder,
    after: newOrder,
  });
}

/** Lists whose parts have unique ids are compared by id, so that one more part is one difference. */
function byId(list: readonly unknown[]): Map<string, unknown> | undefined {
  const parts = new Map<string, unknown>();
  for (const part of list) {
    const id = isObject(part) ? (own(part, 'kid') ?? own(part, 'id')) : undefined;
    if (typeof id !== 'string' || parts.has(id)) return undefined;
    parts.set(id, part);
  }
  return parts;
}

const urlUser = /^([a-z][a-z0-9+.-]*:\/\/)?[^\s/@]*:.*@/i;
/** References to secrets, and other provider members whose text may be shown. */
const places = new Set(['env', 'file', 'store']);
const plainFields = new Set(['type', 'baseUrl', 'id', 'forwardHeaders', 'relayHeaders', 'labels']);

/** Whether a text may be a secret: an unchecked configuration may have one under any name. */
function mayBeSecret(path: Path): boolean {
  const key = path.at(-1);
  if (key === 'apiKey' || key === 'secretHash') return true;
  if (path[0] !== 'providers' || path.length < 2) return false;
  if (path.includes('apiKey')) return !(places.has(String(key)) && path.at(-2) === 'apiKey');
  return !path.slice(2).some((part) => plainFields.has(String(part)));
}

/** A value in which everything that may be a secret, or verify one, is replaced. */
export function toShown(value: unknown, path: Path): unknown {
  if (typeof value === 'function') return '[function]';
  if (typeof value === 'string') {
    return mayBeSecret(path) || isOddPlace(value, path)
      ? hiddenSecret
      : value.replace(urlUser, '$1[hidden]@');
  }
  if (Array.isArray(value)) return value.map((part, index) => toShown(part, [...path, index]));
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, part]) => [name, toShown(part, [...path, name])]),
  );
}

/** People often write the secret itself where the name of its variable belongs. */
function isOddPlace(value: string, path: Path): boolean {
  const isVariable = path.at(-1) === 'env' && path.at(-2) === 'apiKey';
  return isVariable && !/^(?:[A-Z][A-Z0-9_]{0,63}|[a-z][a-z0-9_]{0,31})$/.test(value);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `__proto__` and the like are names as any other. */
function own(value: Record<string, unknown>, key: string): unknown {
  return Object.hasOwn(value, key) ? value[key] : undefined;
}
