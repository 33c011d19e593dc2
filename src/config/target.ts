import { type Price, toPrice } from '../limits/price.ts';
import type { Timeouts } from '../routing/forwarding.ts';
import type { ConfigIssue } from './config-error.ts';
import { suggest } from './nearest-name.ts';
import type { Billing } from './policy.ts';
import type { ConfiguredProvider } from './providers.ts';
import type { ModelConfig } from './schema.ts';

/** What a target adds to its requests, overriding caller and provider. */
export interface TargetOverrides {
  /** By lower-case name; never credentials or framing. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Root members of a JSON body. `null` removes a member. */
  readonly body?: Readonly<Record<string, unknown>> | undefined;
  /** Override the route's and the provider's. */
  readonly timeouts?: Timeouts | undefined;
}

/** One way to serve a model: provider and upstream model name, and on a route its own settings. */
export interface Target {
  /** `provider/upstream-model`. */
  readonly id: string;
  readonly provider: ConfiguredProvider;
  /** Undefined for calls that name no model. */
  readonly model: string | undefined;
  /** Where it handles requests. Undefined: its provider's region. */
  readonly region?: string | undefined;
  /** Tokens of its context window, if they differ from the model's. */
  readonly contextWindow?: number | undefined;
  /** Whether it continues an unfinished assistant turn. @default false */
  readonly continues?: boolean | undefined;
  /** What it costs, for choosing the cheapest. Budgets and records use the model's price. Undefined: the model's. */
  readonly price?: Price | undefined;
  /** Its share relative to its tier's other targets. @default 1 */
  readonly weight?: number | undefined;
  /** The arm of a test that it represents; noted in the record. */
  readonly arm?: string | undefined;
  /** Who pays, if not as the caller's policy says. */
  readonly billing?: Billing | undefined;
  readonly overrides?: TargetOverrides | undefined;
}

type WrittenTarget = ModelConfig['targets'][number];

/** Compiles `provider`, `provider/model` or an object. Undefined, and an issue, if its provider is missing. */
export function toTarget(
  target: WrittenTarget,
  modelName: string,
  path: string,
  providers: ReadonlyMap<string, ConfiguredProvider>,
  issues: ConfigIssue[],
): Target | undefined {
  const [, providerId = '', model] =
    typeof target === 'string'
      ? (/^([^/]*)(?:\/(.*))?$/s.exec(target) ?? [])
      : [undefined, target.provider, target.model];
  const provider = providers.get(providerId);
  if (!provider) {
    const message = `no provider "${providerId}" is configured${suggest(providerId, providers.keys())}`;
    issues.push({ path, message });
    return undefined;
  }
  const upstreamModel = model ?? modelName;
  const base = { id: `${providerId}/${upstreamModel}`, provider, model: upstreamModel };
  if (typeof target === 'string') return base;
  const { region, contextWindow, continues, price } = target;
  const own = [region, contextWindow, continues, price];
  if (own.every((value) => value === undefined)) return base;
  return { ...base, region, contextWindow, continues, price: price && toPrice(price) };
}

/** Puts what a pattern's `*` matched into the target's model name. */
export function fillTarget(target: Target, pattern: string, name: string): Target {
  if (!target.model?.endsWith('*')) return target;
  const model = target.model === pattern ? name : target.model.slice(0, -1) + name.slice(pattern.length - 1);
  return { ...target, id: `${target.provider.id}/${model}`, model };
}
