import { describe, expect, it } from 'vitest';
import type { HeaderMap } from '../../src/message.ts';
import { readRetryAfterMs } from '../../src/upstream/retry-after.ts';

const nowMs = Date.UTC(2030, 0, 1);

describe('how long a provider asks to wait', () => {
  it.each<[HeaderMap, number | undefined]>([
    [{}, undefined],
    [{ 'retry-after': '0' }, 0],
    [{ 'retry-after': '2' }, 2_000],
    [{ 'retry-after': '1.5' }, 1_500],
    [{ 'retry-after': '0.0001' }, 1],
    [{ 'retry-after': '86400' }, 86_400_000],
    [{ 'retry-after': '86401' }, 86_400_000],
    [{ 'retry-after': '99999999999' }, 86_400_000],
    [{ 'retry-after': '-5' }, 0],
    [{ 'retry-after': '+5' }, undefined],
    [{ 'retry-after': '5s' }, undefined],
    [{ 'retry-after': '0x10' }, undefined],
    [{ 'retry-after': '1e3' }, undefined],
    [{ 'retry-after': 'Infinity' }, undefined],
    [{ 'retry-after': 'abc' }, undefined],
    [{ 'retry-after': '' }, undefined],
    [{ 'retry-after': ' 5' }, undefined],
    [{ 'retry-after': ['2', '3'] }, undefined],
    [{ 'retry-after': 'Tue, 01 Jan 2030 00:00:30 GMT' }, 30_000],
    [{ 'retry-after': 'Mon, 31 Dec 2029 00:00:00 GMT' }, 0],
    [{ 'retry-after': 'Fri, 01 Jan 2100 00:00:00 GMT' }, 86_400_000],
    [{ 'retry-after': 'Mon, nonsense' }, undefined],
    [{ 'retry-after': '2030-01-01T00:00:30Z' }, undefined],
    [{ 'retry-after-ms': '250' }, 250],
    [{ 'retry-after-ms': '250', 'retry-after': '9' }, 250],
    [{ 'retry-after-ms': '-1', 'retry-after': '9' }, 0],
    [{ 'retry-after-ms': 'abc', 'retry-after': 'abc' }, undefined],
    [{ 'retry-after-ms': '0.4' }, 1],
  ])('%o is %s milliseconds', (headers, expected) => {
    expect(readRetryAfterMs(headers, nowMs)).toBe(expected);
  });
});
