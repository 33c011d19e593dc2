import { parseArgs } from 'node:util';
import { type BackendName, backendNames } from './backends.ts';

/** How much is run. */
export interface Options {
  readonly backends: readonly BackendName[];
  /** Rounds of every change with push, at most: a slow machine does fewer in the time that there is. */
  readonly rounds: number;
  /** The same with push cut. */
  readonly cutRounds: number;
  /** Requests a second to each node, beside those that look for the change. */
  readonly rate: number;
  /** Tries in one process. */
  readonly tries: number;
  /** Keys of the stampede. */
  readonly keys: number;
  /** File for the figures. */
  readonly json: string | undefined;
}

/** What `--help` prints. */
export const help = `verify:propagation: how late a change is seen, measured on real stores

  --backend <name>     ${backendNames.join(' or ')}; may be repeated (default: both)
  --rounds <n>         rounds of every change with push, at most (default 100)
  --cut-rounds <n>     rounds of every change with push cut, at most (default 15)
  --rate <n>           requests a second to each node (default 100)
  --tries <n>          changes in one process (default 10000)
  --keys <n>           keys of the cold stampede (default 10000)
  --json <file>        also write the figures to a file`;

/** Reads the command line; `undefined` for `--help`. @throws Error naming the option that is wrong */
export function parseOptions(words: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...words],
    options: {
      backend: { type: 'string', multiple: true },
      rounds: { type: 'string' },
      'cut-rounds': { type: 'string' },
      rate: { type: 'string' },
      tries: { type: 'string' },
      keys: { type: 'string' },
      json: { type: 'string' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) return undefined;
  const integer = (name: 'rounds' | 'cut-rounds' | 'rate' | 'tries' | 'keys', byDefault: number): number => {
    const number = Number(values[name] ?? byDefault);
    if (Number.isSafeInteger(number) && number > 0) return number;
    throw new Error(`--${name} must be a whole number above 0.`);
  };
  const chosen = (values.backend ?? [...backendNames]).map((name) => {
    const found = backendNames.find((known) => known === name);
    if (found) return found;
    throw new Error(`--backend must be ${backendNames.join(' or ')}.`);
  });
  return {
    backends: chosen,
    rounds: integer('rounds', 100),
    cutRounds: integer('cut-rounds', 15),
    rate: integer('rate', 100),
    tries: integer('tries', 10_000),
    keys: integer('keys', 10_000),
    json: values.json,
  };
}
