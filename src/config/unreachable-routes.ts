import { util } from '../built-in.ts';
import type { ConfigIssue } from './config-error.ts';
import { matchesPattern } from './patterns.ts';
import type { Route, RouteMatch } from './route.ts';

/**
 * Routes that no request reaches, because one earlier route takes all that they could match. Routes covered only by
 * several together are not found.
 */
export function findUnreachable(routes: readonly Route[]): ConfigIssue[] {
  return routes.flatMap(({ name, path, match }, place) => {
    const before = routes.slice(0, place).find((earlier) => covers(earlier.match, match));
    if (!before) return [];
    const all = Object.keys(before.match).length === 0;
    const why = all ? 'matches every request' : 'matches every request that it could';
    return [
      {
        path,
        message: `no request reaches the route "${name}": "${before.name}" stands before it and ${why}; move it up, or remove one`,
      },
    ];
  });
}

/** Whether whatever matches `inner` matches `outer` as well. */
function covers(outer: RouteMatch, inner: RouteMatch): boolean {
  return (Object.keys(outer) as (keyof RouteMatch)[]).every((field) => {
    if (outer[field] === undefined) return true;
    if (inner[field] === undefined) return false;
    return coversField(field, outer, inner);
  });
}

function coversField(field: keyof RouteMatch, outer: RouteMatch, inner: RouteMatch): boolean {
  switch (field) {
    case 'models':
    case 'teams':
    case 'projects':
    case 'keys':
    case 'users':
    case 'dialects':
    case 'operations':
      return coversTexts(outer[field] ?? [], inner[field] ?? []);
    case 'metadata':
    case 'headers':
      return Object.entries(outer[field] ?? {}).every(([name, texts]) => {
        const own = inner[field] ?? {};
        return Object.hasOwn(own, name) && coversTexts([texts].flat(), [own[name] ?? []].flat());
      });
    case 'inputTokens': {
      const { min = 0, max = Number.POSITIVE_INFINITY } = outer.inputTokens ?? {};
      const { min: from = 0, max: to = Number.POSITIVE_INFINITY } = inner.inputTokens ?? {};
      return from >= min && to <= max;
    }
    case 'spent': {
      const [one, other] = [outer.spent, inner.spent];
      return (
        util.isDeepStrictEqual(one?.limits, other?.limits) &&
        (other?.atLeastPercent ?? 0) >= (one?.atLeastPercent ?? 0)
      );
    }
    // a flag, a time span, a function: equal or not
    default:
      return util.isDeepStrictEqual(outer[field], inner[field]);
  }
}

function coversTexts(outer: readonly string[], inner: readonly string[]): boolean {
  return inner.every((text) =>
    outer.some((pattern) =>
      text.endsWith('*') ? coversPattern(pattern, text) : matchesPattern(pattern, text),
    ),
  );
}

/** Whether a pattern matches all that another matches. */
function coversPattern(outer: string, inner: string): boolean {
  return outer.endsWith('*') && inner.startsWith(outer.slice(0, -1));
}
