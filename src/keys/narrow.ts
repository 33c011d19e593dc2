import { matchesPattern } from '../config/patterns.ts';
import type { LimitConfig } from '../config/schema.ts';
import { isWithinLimit } from '../limits/limit-within.ts';
import { toWindow } from '../limits/to-window.ts';
import type { Principal } from '../principal.ts';
import type { KeyRecord } from '../stores/key-store.ts';
import { KeyError } from './key-error.ts';

/** What a key permits, within its team's profile. */
export type KeyGrant = Pick<KeyRecord, 'team' | 'project' | 'owner' | 'models' | 'limits' | 'expiresAtMs'> &
  Partial<Pick<KeyRecord, 'environment'>>;

/** What a caller holds, however it was identified: for keys that callers make for themselves. */
export function toKeyGrant(principal: Principal): KeyGrant {
  const { team, project, user: owner, environment, models, limits, expiresAtMs } = principal;
  const grant = { team, project, owner, environment, models, limits, expiresAtMs };
  return Object.fromEntries(
    Object.entries(grant).filter(([, value]) => value !== undefined),
  ) as unknown as KeyGrant;
}

const subjectFields = ['team', 'project', 'owner', 'environment'] as const;
/** Besides its team's, a key has the rights and credentials of these: a grant without one reaches nobody's. */
const ownFields: ReadonlySet<string> = new Set(['project', 'owner']);

/**
 * Whether `inner` permits nothing that `outer` does not: models, limits and lifetime.
 *
 * @returns what is wider, in words; `undefined` when nothing is
 */
export function findWidening(
  inner: Pick<KeyGrant, 'models' | 'limits' | 'expiresAtMs'>,
  outer: Pick<KeyGrant, 'models' | 'limits' | 'expiresAtMs'>,
): string | undefined {
  const model = findWiderModel(inner.models, outer.models);
  if (model !== undefined) return `models: ${model}`;
  const lost = (outer.limits ?? []).find(
    (limit) => !(inner.limits ?? []).some((own) => isWithin(own, limit)),
  );
  if (lost)
    return `limits: ${lost.amount} ${lost.unit} ${toWindow(lost.window).label} would not hold`.replace(
      '  ',
      ' ',
    );
  if (
    outer.expiresAtMs !== undefined &&
    (inner.expiresAtMs ?? Number.POSITIVE_INFINITY) > outer.expiresAtMs
  ) {
    return `expiresAtMs: later than ${new Date(outer.expiresAtMs).toISOString()}`;
  }
  return undefined;
}

/**
 * The request, if `grant` covers it; what it leaves out is taken from the grant.
 *
 * A key with limits of its own cannot make others: each would have these limits in full again, however small it is.
 *
 * @throws KeyError `key_too_wide` naming what exceeds the grant
 */
export function withinGrant<R extends Partial<KeyGrant>>(request: R, grant: KeyGrant): R & KeyGrant {
  if (grant.limits !== undefined && grant.limits.length > 0) {
    throw tooWide(
      'limits: a key with limits of its own cannot make keys, since each would have them once more',
    );
  }
  for (const field of subjectFields) {
    const [asked, held] = [request[field], grant[field]];
    if (asked !== undefined && asked !== held && (held !== undefined || ownFields.has(field))) {
      throw tooWide(`${field}: ${JSON.stringify(asked)} in place of ${JSON.stringify(held ?? 'none')}`);
    }
  }
  // what the request sets is kept, even if empty: no models at all is narrower than all
  const asked = Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined)) as R;
  const { team, project, owner, environment, models, expiresAtMs } = grant;
  const inherited = Object.fromEntries(
    Object.entries({ team, project, owner, environment, models, expiresAtMs }).filter(
      ([, value]) => value !== undefined,
    ),
  ) as unknown as KeyGrant;
  const result = { ...inherited, ...asked };
  const wider = findWidening(result, grant);
  if (wider !== undefined) throw tooWide(wider);
  return result;
}

/**
 * Requires that the holder of `grant` may store `record`.
 *
 * @throws KeyError `key_too_wide` when it is somebody else's, or would permit more than the grant
 */
export function requireHeld(record: KeyGrant & Pick<KeyRecord, 'kid'>, grant: KeyGrant): void {
  for (const field of subjectFields) {
    if ((grant[field] !== undefined || ownFields.has(field)) && record[field] !== grant[field]) {
      throw tooWide(`${field}: the key is of ${JSON.stringify(record[field] ?? 'none')}`, record.kid);
    }
  }
  const wider = findWidening(record, grant);
  if (wider !== undefined) throw tooWide(wider, record.kid);
}

/** The error for a key that would permit too much. */
export function tooWide(what: string, kid?: string): KeyError {
  return new KeyError('key_too_wide', `That would permit more: ${what}.`, kid === undefined ? {} : { kid });
}

function findWiderModel(
  inner: readonly string[] | undefined,
  outer: readonly string[] | undefined,
): string | undefined {
  if (outer === undefined) return undefined;
  if (inner === undefined) return 'all in place of a list';
  return inner.find((pattern) => !outer.some((held) => covers(held, pattern)));
}

/** Whether every name that `inner` matches is matched by `outer`. */
function covers(outer: string, inner: string): boolean {
  if (!inner.endsWith('*')) return matchesPattern(outer, inner);
  return outer.endsWith('*') && inner.slice(0, -1).startsWith(outer.slice(0, -1));
}

/** Whether `own` stops all that `limit` would stop. */
function isWithin(own: LimitConfig, limit: LimitConfig): boolean {
  return isWithinLimit(own, limit) && findWiderModel(limit.models, own.models) === undefined;
}
