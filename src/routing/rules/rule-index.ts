import type { RouteMatch } from '../../config/snapshot.ts';
import type { RouteFacts } from './facts.ts';
import type { Rule } from './rules.ts';

/** Finds which rules may match a request, so that the others are not tried. */
export interface RuleIndex {
  /** The first match, of those that may match. */
  find(facts: RouteFacts, matches: (rule: Rule) => boolean): Rule | undefined;
}

/** Fewer rules are faster to try than to look up. */
const leastIndexed = 6;

/**
 * Indexes rules by one text that they require exactly: a key, a user, a value of the metadata or a header, a project or
 * a team, the one that fewest share. Rules without one (patterns, flags, functions) are always tried.
 */
export function indexRules(rules: readonly Rule[]): RuleIndex {
  const fields = new Map<string, Field>();
  const always: number[] = [];
  for (const [place, { route }] of rules.entries()) {
    const asked = rules.length < leastIndexed ? undefined : exactOf(route.match);
    if (!asked) {
      always.push(place);
      continue;
    }
    let field = fields.get(asked.name);
    if (!field) {
      field = { read: asked.read, places: new Map() };
      fields.set(asked.name, field);
    }
    for (const value of new Set(asked.values)) {
      const places = field.places.get(value);
      if (places) places.push(place);
      else field.places.set(value, [place]);
    }
  }
  const all = [...fields.values()];
  return {
    find(facts, matches) {
      let lists: (readonly number[])[] | undefined;
      for (const { read, places } of all) {
        const value = read(facts);
        if (typeof value === 'string') lists = added(lists, places.get(value));
        else if (value) for (const line of value) lists = added(lists, places.get(line));
      }
      if (!lists) {
        for (const place of always) {
          const rule = rules[place] as Rule;
          if (matches(rule)) return rule;
        }
        return undefined;
      }
      // in the order written, each once
      const places = [...new Set([...always, ...lists.flat()])].sort((one, other) => one - other);
      const found = places.find((place) => matches(rules[place] as Rule));
      return found === undefined ? undefined : rules[found];
    },
  };
}

interface Field {
  /** The request's value. */
  readonly read: (facts: RouteFacts) => string | readonly string[] | undefined;
  /** Places of the rules that require a value. */
  readonly places: Map<string, number[]>;
}

function added(
  lists: (readonly number[])[] | undefined,
  places: readonly number[] | undefined,
): (readonly number[])[] | undefined {
  if (!places) return lists;
  if (!lists) return [places];
  lists.push(places);
  return lists;
}

interface Asked {
  readonly name: string;
  readonly values: readonly string[];
  readonly read: Field['read'];
}

/** The text that a rule requires exactly; undefined if there is none. */
function exactOf(match: RouteMatch): Asked | undefined {
  const candidates: (Asked | undefined)[] = [
    toAsked('key', match.keys, (facts) => facts.key),
    toAsked('user', match.users, (facts) => facts.user),
    ...Object.entries(match.metadata ?? {}).map(([name, values]) =>
      toAsked(`metadata ${name}`, values, ({ metadata }) =>
        Object.hasOwn(metadata, name) ? metadata[name] : undefined,
      ),
    ),
    ...Object.entries(match.headers ?? {}).map(([name, values]) =>
      toAsked(`header ${name}`, values, ({ headers }) => headers[name]),
    ),
    toAsked('project', match.projects, (facts) => facts.project),
    toAsked('team', match.teams, (facts) => facts.team),
  ];
  return candidates.find((asked) => asked !== undefined);
}

function toAsked(
  name: string,
  wanted: string | readonly string[] | undefined,
  read: Field['read'],
): Asked | undefined {
  if (wanted === undefined) return undefined;
  const values = typeof wanted === 'string' ? [wanted] : wanted;
  return values.some((value) => value.endsWith('*')) ? undefined : { name, values, read };
}
