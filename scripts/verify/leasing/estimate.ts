import { countBodyTokens } from '../../../src/limits/body-tokens.ts';
import { type Figure, toTime } from '../propagation/figures.ts';
import { percentile } from '../propagation/statistics.ts';

const rounds = 15;
const promisedMs = 40;
const prose = 'Please summarise the following report, in 3 short sentences; then list the open questions.\n';
const characters = ['a', 'A', '1', ' ', '-', '"', '\\', '\n', '{', 'é', '字', '😀'];

/** What estimating the input of a large request takes. Linear: twice as much of anything takes at most twice as long. */
export async function measureEstimate(): Promise<readonly Figure[]> {
  const usual = measure(toBody(prose, 500_000));
  const worst = characters.map((character) => ({
    character,
    ms: measure(toBody(character, 1_000_000)),
  }));
  worst.sort((one, other) => other.ms - one.ms);
  const [slowest] = worst as [(typeof worst)[number]];
  const note = `the slowest of ${worst.length}: ${JSON.stringify(slowest.character)}`;
  return [
    toTime('an estimate of 500 kB', usual, promisedMs, 'p50'),
    toTime('an estimate of 1 MB of one character', slowest.ms, 2 * promisedMs, note),
  ];
}

function toBody(text: string, bytes: number): Uint8Array {
  // escapes are part of the size
  const each = Buffer.byteLength(JSON.stringify(text)) - 2;
  return Buffer.from(JSON.stringify({ model: 'm', messages: [{ content: text.repeat(bytes / each) }] }));
}

function measure(body: Uint8Array): number {
  const tookMs: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const startMs = performance.now();
    countBodyTokens(body);
    tookMs.push(performance.now() - startMs);
  }
  return percentile(tookMs, 50);
}
