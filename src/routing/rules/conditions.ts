import type { RouteMatch } from '../../config/snapshot.ts';
import type { HeaderMap } from '../../message.ts';
import type { RouteFacts } from './facts.ts';
import { compileTexts } from './text.ts';
import { compileTime } from './time.ts';

/** One condition of a route. */
export interface Condition {
  /** The field of `match`. */
  readonly field: keyof RouteMatch;
  /** @throws whatever a `when` function throws */
  holds(facts: RouteFacts): boolean;
  /** What was found instead of what is wanted. Contains no header value: any may be a credential. */
  tell(facts: RouteFacts): string;
}

/** A route's conditions, cheapest first; without `models`, by which routes are indexed. */
export function compileConditions(match: RouteMatch): Condition[] {
  const conditions: (Condition | undefined)[] = [
    ofText('teams', match.teams, ({ team }) => team),
    ofText('projects', match.projects, ({ project }) => project),
    ofText('keys', match.keys, ({ key }) => key),
    ofText('users', match.users, ({ user }) => user),
    ofText('dialects', match.dialects, ({ dialect }) => dialect),
    ofText('operations', match.operations, ({ operation }) => operation),
    ofFlag('stream', match.stream, 'a stream'),
    ofMetadata(match.metadata),
    ofHeaders(match.headers),
    ofTime(match.time),
    ofSpent(match.spent),
    ofFlag('tools', match.tools, 'tools'),
    ofInputTokens(match.inputTokens),
    ofFlag('images', match.images, 'images'),
    ofFunction(match.when as ((facts: RouteFacts) => unknown) | undefined),
  ];
  return conditions.filter((condition) => condition !== undefined);
}

function ofText(
  field: 'teams' | 'projects' | 'keys' | 'users' | 'dialects' | 'operations',
  wanted: readonly string[] | undefined,
  read: (facts: RouteFacts) => string | undefined,
): Condition | undefined {
  if (!wanted) return undefined;
  const one = field.slice(0, -1);
  const matches = compileTexts(wanted);
  return {
    field,
    holds(facts) {
      const value = read(facts);
      return value !== undefined && matches(value);
    },
    tell(facts) {
      const value = read(facts);
      return `${value === undefined ? `it has no ${one}` : `its ${one} is ${value}`}, not ${wanted.join(' or ')}`;
    },
  };
}

function ofFlag(
  field: 'stream' | 'tools' | 'images',
  wanted: boolean | undefined,
  what: string,
): Condition | undefined {
  if (wanted === undefined) return undefined;
  return {
    field,
    holds: (facts) => facts[field] === wanted,
    tell: () =>
      `it ${field === 'stream' ? 'is' : 'has'} ${wanted ? (field === 'stream' ? 'no stream' : `no ${what}`) : what}`,
  };
}

function ofMetadata(wanted: RouteMatch['metadata']): Condition | undefined {
  if (!wanted) return undefined;
  const entries = toEntries(wanted);
  const missed = ({ metadata }: RouteFacts) =>
    entries.find(({ name, matches }) => !Object.hasOwn(metadata, name) || !matches(metadata[name] as string));
  return {
    field: 'metadata',
    holds: (facts) => missed(facts) === undefined,
    tell(facts) {
      const { name, values } = missed(facts) as Entry;
      const value = Object.hasOwn(facts.metadata, name)
        ? `says ${name}=${facts.metadata[name]}`
        : `says no ${name}`;
      return `its metadata ${value}, not ${values.join(' or ')}`;
    },
  };
}

function ofHeaders(wanted: RouteMatch['headers']): Condition | undefined {
  if (!wanted) return undefined;
  const entries = toEntries(wanted);
  const missed = ({ headers }: RouteFacts) => entries.find((entry) => !hasHeader(headers, entry));
  return {
    field: 'headers',
    holds: (facts) => missed(facts) === undefined,
    tell(facts) {
      const { name, values } = missed(facts) as Entry;
      const has = facts.headers[name] === undefined ? 'has no header' : 'has another';
      return `it ${has} ${name}, not ${values.join(' or ')}`;
    },
  };
}

function hasHeader(headers: HeaderMap, { name, matches }: Entry): boolean {
  const value = headers[name];
  if (value === undefined) return false;
  return typeof value === 'string' ? matches(value) : value.some(matches);
}

function ofTime(wanted: RouteMatch['time']): Condition | undefined {
  if (!wanted) return undefined;
  const time = compileTime(wanted);
  return {
    field: 'time',
    holds: ({ nowMs }) => time.has(nowMs),
    tell: ({ nowMs }) => `it is ${time.show(nowMs)}, not ${time.label}`,
  };
}

function ofSpent(wanted: RouteMatch['spent']): Condition | undefined {
  if (!wanted) return undefined;
  const { atLeastPercent, limits } = wanted;
  return {
    field: 'spent',
    holds: (facts) => facts.spentPercent(limits) >= atLeastPercent,
    tell: (facts) =>
      `${Math.floor(facts.spentPercent(limits))} % of its ${limits ? 'limits' : 'budgets'} are spent, not ${atLeastPercent} %`,
  };
}

function ofInputTokens(wanted: RouteMatch['inputTokens']): Condition | undefined {
  if (!wanted) return undefined;
  const { min = 0, max = Number.POSITIVE_INFINITY } = wanted;
  return {
    field: 'inputTokens',
    holds({ inputTokens }) {
      return inputTokens >= min && inputTokens <= max;
    },
    tell: ({ inputTokens }) =>
      `its input is about ${inputTokens} tokens, not ${inputTokens < min ? `${min} or more` : `${max} or fewer`}`,
  };
}

function ofFunction(when: ((facts: RouteFacts) => unknown) | undefined): Condition | undefined {
  if (!when) return undefined;
  return {
    field: 'when',
    holds(facts) {
      const answer = when(facts);
      if (typeof answer === 'boolean') return answer;
      // a promise is no answer, and nobody else handles its rejection
      if (answer instanceof Promise) answer.catch(() => undefined);
      throw new TypeError(
        `a "when" function must answer true or false at once, not ${answer instanceof Promise ? 'a promise' : typeof answer}`,
      );
    },
    tell: () => 'its function says no',
  };
}

interface Entry {
  readonly name: string;
  readonly values: readonly string[];
  readonly matches: (text: string) => boolean;
}

function toEntries(wanted: Readonly<Record<string, string | readonly string[]>>): Entry[] {
  return Object.entries(wanted).map(([name, given]) => {
    const values = [given].flat();
    return { name, values, matches: compileTexts(values) };
  });
}
