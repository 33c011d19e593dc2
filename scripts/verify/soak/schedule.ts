import { createRandom } from '../failover/random.ts';

/**
 * What an upstream is like for a while. `killed`: its process is ended with SIGKILL, and started again behind it. `severed`:
 * it answers, and all of its connections are reset ten times a second, whatever is on them.
 */
export type Weather = 'up' | 'killed' | 'errors' | 'overloaded' | 'resetting' | 'cutting' | 'severed';

/** A span of one upstream's life. */
export interface Span {
  readonly weather: Weather;
  readonly forMs: number;
}

const bad = ['killed', 'errors', 'overloaded', 'resetting', 'cutting', 'severed'] as const;

/** The life of one upstream, without end: up for 1.5 to 5 s, down for 0.5 to 2 s, as the seed has it. */
export function* toLife(seed: number): Generator<Span, never> {
  const random = createRandom(seed);
  for (;;) {
    yield { weather: 'up', forMs: 1_500 + random() * 3_500 };
    const weather = bad[Math.floor(random() * bad.length)] ?? 'killed';
    yield { weather, forMs: 500 + random() * 1_500 };
  }
}
