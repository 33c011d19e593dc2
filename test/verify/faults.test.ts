import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { dialects } from '../../scripts/verify/faults/dialects.ts';
import { toGuide } from '../../scripts/verify/faults/guide.ts';
import { runRow } from '../../scripts/verify/faults/run-row.ts';
import { scenarios } from '../../scripts/verify/faults/scenarios/index.ts';
import { faultTable } from '../../scripts/verify/faults/table/index.ts';

const withoutHeavy = faultTable.filter(
  ({ cases, scenarios: names = [] }) =>
    cases.some(({ isHeavy }) => !isHeavy) || names.some((name) => scenarios[name]?.isHeavy !== true),
);

describe('the table of faults', () => {
  it('has each row and each scenario once, and every scenario that it names', () => {
    const ids = faultTable.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    const names = faultTable.flatMap(({ scenarios: named = [] }) => named);
    expect(names.toSorted()).toEqual(Object.keys(scenarios).toSorted());
  });

  it('has every fault of an upstream, and those of the process', () => {
    const numbers = faultTable.map(({ id }) => id).filter((id) => /^\d+$/.test(id));
    const upstream = Array.from({ length: 37 }, (_, index) => String(index + 1));
    expect(numbers).toEqual([...upstream, '79', '80', '84', '85', '86', '87', '88', '89', '90']);
  });

  it('is what the guide says: node scripts/verify/faults/write-guide.ts', () => {
    const path = new URL('../../docs/what-happens-when.md', import.meta.url);
    expect(readFileSync(path, 'utf8')).toBe(toGuide());
  });

  // what takes long or much memory is for npm run verify:faults
  it.each(withoutHeavy.map((row) => [row.id, row.title, row] as const))(
    'row %s holds in every dialect: %s',
    async (_, __, row) => {
      const lines = await runRow(row, dialects, false);
      const wrong = lines.filter(({ verdict }) => verdict === 'FAIL');
      expect(wrong.map(({ name, notes }) => [name, ...notes])).toEqual([]);
      expect(lines.length).toBeGreaterThan(0);
    },
    300_000,
  );
});
