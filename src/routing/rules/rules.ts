import { matchesAny } from '../../config/patterns.ts';
import type { Model, Route, Snapshot } from '../../config/snapshot.ts';
import { type Condition, compileConditions } from './conditions.ts';
import type { RouteFacts } from './facts.ts';
import { indexRules, type RuleIndex } from './rule-index.ts';

/** A route with its compiled conditions. */
export interface Rule {
  readonly route: Route;
  readonly conditions: readonly Condition[];
}

/** How one route answered a request. */
export interface RuleAnswer {
  readonly route: string;
  readonly matched: boolean;
  /** Why not. */
  readonly reason?: string;
}

/** Called when a `when` function threw. */
export type OnRuleError = (route: string, error: unknown) => void;

/** The routes of one configuration. */
export interface Rules {
  /** Whether there are any. */
  readonly isEmpty: boolean;
  /** The first that matches. */
  find(model: Model | undefined, toFacts: () => RouteFacts, onError: OnRuleError): Rule | undefined;
  /** As `find`, with the answer of each route tried: up to the first that matches. */
  ask(model: Model | undefined, facts: RouteFacts, onError: OnRuleError): RuleAnswer[];
}

const compiled = new WeakMap<Snapshot, Rules>();

/** The rules of a configuration: compiled once. */
export function rulesOf(snapshot: Snapshot): Rules {
  let rules = compiled.get(snapshot);
  if (!rules) {
    rules = compileRules(snapshot.routes);
    compiled.set(snapshot, rules);
  }
  return rules;
}

/** Compiles routes in their order. */
export function compileRules(routes: readonly Route[]): Rules {
  const rules = routes.map((route): Rule => ({ route, conditions: compileConditions(route.match) }));
  const unnamed = toOwn(rules.filter(({ route }) => route.match.models === undefined));
  // the routes for a model are found once per model
  const ofModels = new WeakMap<Model, RuleIndex | undefined>();

  function rulesFor(model: Model | undefined): RuleIndex | undefined {
    if (!model) return unnamed;
    if (ofModels.has(model)) return ofModels.get(model);
    const own = toOwn(rules.filter(({ route }) => isFor(route, model)));
    ofModels.set(model, own);
    return own;
  }

  return {
    isEmpty: rules.length === 0,
    find(model, toFacts, onError) {
      const own = rulesFor(model);
      if (!own) return undefined;
      const facts = toFacts();
      return own.find(facts, (rule) => missed(rule, facts, onError) === undefined);
    },
    ask(model, facts, onError) {
      const answers: RuleAnswer[] = [];
      for (const rule of rules) {
        const reason = whyNot(rule, model, facts, onError);
        const route = rule.route.name;
        answers.push(reason === undefined ? { route, matched: true } : { route, matched: false, reason });
        if (reason === undefined) break;
      }
      return answers;
    },
  };
}

function toOwn(rules: readonly Rule[]): RuleIndex | undefined {
  return rules.length === 0 ? undefined : indexRules(rules);
}

function isFor({ match }: Route, model: Model): boolean {
  return match.models === undefined || matchesAny(match.models, model.name);
}

/** The first condition that does not hold; one that throws does not. */
function missed(
  { route, conditions }: Rule,
  facts: RouteFacts,
  onError: OnRuleError,
): Condition | 'threw' | undefined {
  for (const condition of conditions) {
    try {
      if (!condition.holds(facts)) return condition;
    } catch (error) {
      onError(route.name, error);
      return 'threw';
    }
  }
  return undefined;
}

function whyNot(
  rule: Rule,
  model: Model | undefined,
  facts: RouteFacts,
  onError: OnRuleError,
): string | undefined {
  const { models } = rule.route.match;
  if (models && !model) return 'it names no model';
  if (models && model && !isFor(rule.route, model))
    return `its model is ${model.name}, not ${models.join(' or ')}`;
  const condition = missed(rule, facts, onError);
  if (condition === undefined) return undefined;
  return condition === 'threw' ? 'its function threw' : condition.tell(facts);
}
