import { inspect } from 'node:util';

/** Where something may be seen by somebody who must not see a secret. */
export const places = [
  'command output',
  'console',
  'reported errors',
  'thrown errors',
  'spans',
  'records',
  'reply headers',
  'reply bodies',
  'explanations',
  'inspected objects',
  'database',
  'upstream requests',
] as const;

export type Place = (typeof places)[number];

/** Something that was seen. */
export interface Piece {
  readonly place: Place;
  /** Which one it is: `sqlite: keys list --json: stderr`. */
  readonly source: string;
  /** Latin1: one character a byte. */
  readonly text: string;
}

/** Everything that was seen. */
export interface Evidence {
  readonly pieces: readonly Piece[];
  add(place: Place, source: string, content: string | Uint8Array): void;
  /** An object in all the ways in which one comes to be printed. */
  addObject(place: Place, source: string, value: unknown): void;
}

/** Nothing yet. */
export function createEvidence(): Evidence {
  const pieces: Piece[] = [];
  const add: Evidence['add'] = (place, source, content) => {
    const bytes = typeof content === 'string' ? Buffer.from(content) : Buffer.from(content);
    pieces.push({ place, source, text: bytes.toString('latin1') });
  };
  return {
    pieces,
    add,
    addObject(place, source, value) {
      add(
        place,
        `${source}: inspected`,
        inspect(value, { depth: 12, maxArrayLength: 200, breakLength: 200 }),
      );
      add(
        place,
        `${source}: inspected with hidden members`,
        inspect(value, {
          depth: 8,
          showHidden: true,
          getters: true,
          customInspect: false,
          maxArrayLength: 200,
        }),
      );
      add(place, `${source}: as JSON`, toJson(value));
      add(place, `${source}: as text`, toText(value));
      if (value instanceof Error) add(place, `${source}: chain`, describeChain(value));
    },
  };
}

function toJson(value: unknown): string {
  const open: unknown[] = [];
  try {
    return (
      JSON.stringify(value, function (this: unknown, _key, part: unknown) {
        while (open.length > 0 && open.at(-1) !== this) open.pop();
        if (typeof part === 'bigint') return String(part);
        if (typeof part === 'object' && part !== null) {
          if (open.includes(part)) return '[circular]';
          open.push(part);
        }
        return part;
      }) ?? ''
    );
  } catch (error) {
    return `not serialised: ${String(error)}`;
  }
}

function toText(value: unknown): string {
  try {
    const spread = typeof value === 'object' && value !== null ? inspect({ ...value }, { depth: 4 }) : '';
    return `${String(value)}\n${spread}`;
  } catch (error) {
    return `no text: ${String(error)}`;
  }
}

/** Messages, stacks and own members of an error and of all that caused it. */
function describeChain(error: unknown, depth = 0): string {
  if (!(error instanceof Error) || depth > 8) return inspect(error, { depth: 6 });
  const own = Object.fromEntries(Object.entries(error).filter(([, value]) => typeof value !== 'object'));
  const causes = error instanceof AggregateError ? [error.cause, ...error.errors] : [error.cause];
  const below = causes.filter((cause) => cause !== undefined).map((cause) => describeChain(cause, depth + 1));
  return [error.name, error.message, error.stack, inspect(own), ...below].join('\n');
}
