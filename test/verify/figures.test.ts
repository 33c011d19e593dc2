import { expect, it } from 'vitest';
import { formatFigures, isPass, toLeast, toNone, toTime } from '../../scripts/verify/propagation/figures.ts';
import { judgeNodes, judgeScale } from '../../scripts/verify/propagation/judge.ts';
import { percentile, toSpread } from '../../scripts/verify/propagation/statistics.ts';

it('says that a time is late up to twice the promise, and fails beyond', () => {
  const verdicts = [100, 100.1, 200, 200.1, Number.NaN].map((ms) => toTime('x', ms, 100, '').verdict);
  expect(verdicts).toEqual(['ok', 'late', 'late', 'FAIL', 'FAIL']);
});

it('passes with late figures, and fails with one failed, or with none at all', () => {
  const late = toTime('x', 150, 100, '');
  expect(isPass([late, toNone('y', 0)])).toBe(true);
  expect(isPass([late, toNone('y', 1)])).toBe(false);
  expect(isPass([late, toLeast('y', 0, 1)])).toBe(false);
  expect(isPass([])).toBe(false);
});

it('writes one line for each figure, in columns', () => {
  const text = formatFigures([toTime('one', 12.34, 100, 'p50 3'), toLeast('another', 3, 1)]);
  expect(text).toBe('ok    one      12.3 ms  ≤ 100 ms  p50 3\nok    another        3       ≥ 1');
});

it('takes percentiles by nearest rank, and has none of nothing', () => {
  const values = Array.from({ length: 100 }, (_, index) => 100 - index);
  expect(toSpread(values)).toEqual({ count: 100, p50: 50, p99: 99, max: 100 });
  expect(percentile([], 99)).toBeNaN();
});

it('judges a large site by what it compiles in, holds and costs a request', () => {
  const good = {
    type: 'scale' as const,
    compileMs: 90,
    slowestCompileMs: 110,
    memoryMb: 95,
    residentMb: 500,
    requestUs: 25,
    costByFew: 1.04,
    costByMany: 1.07,
    costInTurn: 1.4,
    httpUs: 90,
    httpCostInTurn: 1.09,
  };
  expect(judgeScale(good).map(({ verdict }) => verdict)).toEqual(['ok', 'ok', 'ok', 'ok', 'ok']);
  const bad = {
    ...good,
    compileMs: 601,
    memoryMb: 301,
    costByFew: 2.21,
    costByMany: 2.21,
    httpCostInTurn: 2.21,
  };
  expect(judgeScale(bad).map(({ verdict }) => verdict)).toEqual(['FAIL', 'FAIL', 'FAIL', 'FAIL', 'FAIL']);
  expect(formatFigures(judgeScale(good))).toMatch(/1\.04 ×(.|\n)*1\.07 ×.*1\.40 × when all take turns/);
});

it('judges every round, also those in which the measuring process stood still', () => {
  const round = (lastNodeMs: number, heldUpMs: number) => ({
    lastNodeMs,
    heldUpMs,
    requests: 10,
    servedAfterBound: 0,
    setBacks: 0,
    wrong: [],
  });
  const judge = (push: readonly ReturnType<typeof round>[]) => {
    const kinds = ['key revoked', 'model added', 'model removed', 'key rotated', 'provider secret rotated'];
    const each = (rounds: readonly ReturnType<typeof round>[]) =>
      Object.fromEntries(kinds.map((kind) => [kind, rounds])) as never;
    const load = {
      type: 'report' as const,
      seconds: 1,
      good: 1,
      failures: {},
      ended: 100,
      unexpected: {},
      staleServed: 0,
      servedAfterBound: 0,
      latestStaleMs: 0,
      skipped: 0,
      p50Ms: 1,
      p99Ms: 1,
    };
    const rounds = { push: each(push), 'push cut': each([round(1_000, 90)]) };
    const [any] = judgeNodes('redis', { rounds, load, delivered: 1, lost: 1 });
    return any?.verdict;
  };
  const good = Array.from({ length: 30 }, () => round(20, 2));
  expect(judge(good)).toBe('ok');
  expect(judge([...good, round(500, 80)])).toBe('FAIL');
  expect(judge([...good, round(500, 2)])).toBe('FAIL');
});
