import type { Limit, WrittenLimit } from '../limits/limit.ts';
import { toLimits } from '../limits/limits-of-level.ts';
import type { WindowOf } from '../limits/remember-windows.ts';
import type { LimitSubject } from '../limits/subject.ts';
import type { ConfigIssue } from './config-error.ts';

/** Compiles the limits at one path; refuses two that would share a count. */
export function compileLimits(
  given: readonly WrittenLimit[],
  path: string,
  origin: string,
  defaultPer: LimitSubject,
  issues: ConfigIssue[],
  windowOf?: WindowOf,
): readonly Limit[] {
  const { limits, repeated } = toLimits(given, origin, defaultPer, windowOf);
  for (const index of repeated) {
    const message = 'counts the same as a limit before it; keep one of them';
    issues.push({ path: `${path}[${index}]`, message });
  }
  return limits;
}
