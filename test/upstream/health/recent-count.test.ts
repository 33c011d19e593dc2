import { describe, expect, it } from 'vitest';
import { RecentCount } from '../../../src/upstream/health/recent-count.ts';

describe('a recent count', () => {
  it('is exact in its first window, and takes of the window before the share that is left', () => {
    const count = new RecentCount(10_000);
    expect(count.at(5)).toBe(0);
    count.add(1_000, 3);
    count.add(10_999);
    expect(count.at(10_999)).toBe(4);
    expect(count.at(11_000)).toBe(4);
    expect(count.at(16_000)).toBe(2);
    count.add(16_000, 6);
    expect(count.at(20_999)).toBe(6);
    expect(count.at(21_000)).toBe(6);
  });

  it('forgets all when nothing came for two windows', () => {
    const count = new RecentCount(10_000);
    count.add(0, 100);
    expect(count.at(20_000)).toBe(0);
    count.add(20_000);
    expect(count.at(29_999)).toBe(1);
  });
});
