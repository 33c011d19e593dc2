import type { Place } from './evidence.ts';
import type { Finding } from './sweep.ts';

/** Where a sentinel belongs, and why. */
export interface Allowance {
  readonly sentinel: RegExp;
  readonly place: Place;
  readonly source: RegExp;
  readonly reason: string;
}

/** Everything that may be seen of what was planted. Whatever is not here is a leak. */
export const allowances: readonly Allowance[] = [
  {
    sentinel: /^key: /,
    place: 'command output',
    source: /: use: keys (create|rotate) #\d+: stdout$/,
    reason: 'a new key is shown this once to whoever made it',
  },
  {
    sentinel: /^provider: /,
    place: 'upstream requests',
    source: /: credential headers$/,
    reason: 'this is what the credential is for',
  },
  {
    sentinel: /^(prompt|personal data)$/,
    place: 'upstream requests',
    source: /: body$/,
    reason: 'the provider answers the prompt',
  },
  {
    sentinel: /^completion$/,
    place: 'reply bodies',
    source: /: (success|broken): /,
    reason: 'the caller gets the answer',
  },
];

/** The findings that nothing permits, and the permissions that nothing needed. */
export function judge(findings: readonly Finding[]): {
  readonly leaks: readonly Finding[];
  readonly unused: readonly Allowance[];
} {
  const used = new Set<Allowance>();
  const leaks = findings.filter(({ sentinel, place, source }) => {
    const permission = allowances.find(
      (each) => each.place === place && each.sentinel.test(sentinel) && each.source.test(source),
    );
    if (permission) used.add(permission);
    return permission === undefined;
  });
  return { leaks, unused: allowances.filter((each) => !used.has(each)) };
}
