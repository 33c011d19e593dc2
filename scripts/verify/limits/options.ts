import { parseArgs } from 'node:util';
import { type LedgerName, ledgerNames } from './ledgers.ts';

/** How much is run. */
export interface Options {
  readonly ledgers: readonly LedgerName[];
  /** Gateways alone: no million of reservations made directly, and no longer standstill. */
  readonly isQuick: boolean;
  /** File for the figures. */
  readonly json: string | undefined;
}

/** What `--help` prints. */
export const help = `verify:limits: whether limits hold, measured on real stores

  --ledger <name>   ${ledgerNames.join(', ')}; may be repeated (default: all)
  --quick           gateways alone: without the 1,000,000 reservations made directly, and Redis frozen for 30 s under load
  --json <file>     also write the figures to a file`;

/** Reads the command line; `undefined` for `--help`. @throws Error naming the option that is wrong */
export function parseOptions(words: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...words],
    options: {
      ledger: { type: 'string', multiple: true },
      quick: { type: 'boolean' },
      json: { type: 'string' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) return undefined;
  const ledgers = (values.ledger ?? [...ledgerNames]).map((name) => {
    const found = ledgerNames.find((known) => known === name);
    if (found) return found;
    throw new Error(`--ledger must be one of ${ledgerNames.join(', ')}.`);
  });
  return { ledgers, isQuick: values.quick ?? false, json: values.json };
}
