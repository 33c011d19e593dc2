import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { SamplePlaces } from '../../src/limits/sample-places.ts';
import { countLongTextTokens, countTextTokens } from '../../src/limits/text-tokens.ts';

const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');
/** What real tokenizers count, made by `scripts/token-corpus.ts`. */
const counts = JSON.parse(read('token-corpus/counts.json')) as Record<string, Record<Encoding, number>>;
type Encoding = 'o200k_base' | 'cl100k_base';

const rows = Object.entries(counts).map(([file, counted]) => {
  const bytes = Buffer.from(JSON.stringify(read(`token-corpus/${file}`)));
  const estimated = Math.round(countTextTokens(bytes, 1, bytes.length - 1));
  return { kind: file.replace('.txt', '').replace('-', ' '), estimated, ...counted };
});
const percent = (estimated: number, counted: number) => {
  const error = Math.round((estimated / counted - 1) * 100);
  return `${error > 0 ? '+' : ''}${error} %`;
};

describe('the estimate of the texts of a corpus', () => {
  it.each(rows)(
    'of $kind is not far below what tokenizers count',
    ({ estimated, o200k_base, cl100k_base }) => {
      expect(estimated / o200k_base).toBeGreaterThan(0.7);
      expect(estimated / cl100k_base).toBeGreaterThan(0.6);
      expect(estimated / o200k_base).toBeLessThan(2.8);
    },
  );

  it('is within a fifth of the current vocabulary for all of them together', () => {
    const sum = (of: (row: (typeof rows)[number]) => number) =>
      rows.reduce((total, row) => total + of(row), 0);
    const ratio = sum((row) => row.estimated) / sum((row) => row.o200k_base);
    expect(ratio).toBeGreaterThan(0.9);
    expect(ratio).toBeLessThan(1.2);
  });

  it.each([
    [4_000, 0.1],
    [20_000, 0.06],
    [100_000, 0.03],
  ])('of %i bytes is within %d of the whole in 19 of 20 requests, counted from a part', (size, most) => {
    const errors = Object.keys(counts).flatMap((file) => {
      const text = read(`token-corpus/${file}`);
      const bytes = Buffer.from(JSON.stringify(text.repeat(Math.ceil(size / text.length))));
      const whole = countTextTokens(bytes, 1, bytes.length - 1);
      return Array.from({ length: 100 }, (_, request) => {
        const places = new SamplePlaces(`req_${request}`);
        return Math.abs(countLongTextTokens(bytes, 1, bytes.length - 1, places) / whole - 1);
      });
    });
    errors.sort((one, other) => one - other);
    expect(errors[Math.floor(errors.length * 0.95)]).toBeLessThan(most);
  });

  it('is wrong by as much as the documentation says', () => {
    const lines = rows.map(
      ({ kind, estimated, o200k_base, cl100k_base }) =>
        `| ${kind} | ${estimated} | ${o200k_base} | ${percent(estimated, o200k_base)} | ${cl100k_base} | ${percent(estimated, cl100k_base)} |`,
    );
    const documented = read('../../docs/limits.md').split('\n');
    expect(documented.filter((line) => lines.includes(line))).toEqual(lines);
  });
});
