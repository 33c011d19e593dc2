import { describe, expect, it } from 'vitest';
import { matchesAny, matchesPattern } from '../../src/config/patterns.ts';

describe('a pattern', () => {
  it.each([
    ['gpt-4', 'gpt-4', true],
    ['gpt-4', 'gpt-4o', false],
    ['gpt-4*', 'gpt-4', true],
    ['gpt-4*', 'gpt-4o', true],
    ['gpt-4*', 'gpt-', false],
    ['*', '', true],
    ['*', 'anything/at:all', true],
    ['a.c', 'abc', false],
    ['GPT-*', 'gpt-4', false],
    ['', '', true],
    ['', 'x', false],
  ])('%j matches %j: %s', (pattern, name, expected) => {
    expect(matchesPattern(pattern, name)).toBe(expected);
    expect(matchesAny(['none', pattern], name)).toBe(expected);
  });

  it('in no list matches nothing', () => expect(matchesAny([], 'x')).toBe(false));
});
