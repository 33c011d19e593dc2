import type { Explanation } from '../explain.ts';
import type { Style } from './style.ts';

/** An explanation for people. */
export function renderExplanation(explanation: Explanation, style: Style): string {
  const { allowed, refusal, principal, policy, estimate } = explanation;
  const lines = [
    allowed ? style.green('would be sent to a provider') : style.red(toRefusal(explanation)),
    ...(refusal ? ['', `  ${refusal.message}`] : []),
    '',
    ...row('config', toVersion(explanation)),
    ...row('operation', join([explanation.operation, explanation.dialect && `(${explanation.dialect})`])),
    ...row('key', principal && join([principal.key, principal.user && `of ${principal.user}`])),
    ...row(
      'team',
      principal && join([principal.team, explanation.profile && `(profile ${explanation.profile})`]),
    ),
    ...list(
      'may use',
      policy?.models.map(({ patterns, origin }) => `${shorten(patterns)} (${origin})`),
    ),
    ...row('model', toModel(explanation)),
    ...row('warning', explanation.deprecation),
    ...row('paid', policy && `${policy.billing.value} (${policy.billing.origin})`),
    ...row('estimate', estimate && toEstimate(estimate)),
    ...list('limits', explanation.limits?.map(toLimitLine)),
    ...list('routes', explanation.routes?.length ? explanation.routes.map(toRouteLine) : undefined),
    ...row('arm', explanation.arm),
    ...list(
      'targets',
      explanation.plan?.map((target, index) => toTargetLine(target, index, explanation.targets)),
    ),
    ...list('left out', toLeftOut(explanation.targets)),
  ];
  return `${lines.join('\n')}\n`;
}

function toRefusal({ refusal }: Explanation): string {
  return refusal
    ? `would be refused: ${refusal.status} ${refusal.code}`
    : 'would be refused: a limit is reached';
}

function toVersion({ snapshot, version }: Explanation): string {
  if (!version) return snapshot;
  return `${snapshot}, by ${version.author}, ${new Date(version.createdAtMs).toISOString()}`;
}

function toModel({ model, requestedModel, resolution = [] }: Explanation): string | undefined {
  if (model === undefined || requestedModel === undefined || model === requestedModel) {
    return model ?? requestedModel;
  }
  const ways = resolution.map(({ by, origin }) => (origin === undefined ? by : `${by} in ${origin}`));
  return `${model} (asked for as ${requestedModel}${ways.length > 0 ? `: ${ways.join(', then ')}` : ''})`;
}

function toEstimate({ inputTokens, outputTokens, estimatedCostNanoUsd }: Estimate): string {
  const tokens = `${inputTokens} tokens in, ${outputTokens} out at most`;
  return estimatedCostNanoUsd === null ? tokens : `${tokens}, ${dollars(estimatedCostNanoUsd)}`;
}

type Estimate = NonNullable<Explanation['estimate']>;

function toLimitLine(limit: NonNullable<Explanation['limits']>[number]): string {
  const { label, unit, mode, used, held, hold, amount, wouldPass } = limit;
  const show = unit === 'usd' ? dollars : String;
  const isClamped = mode === 'block' && used + held + hold > amount;
  const state = wouldPass ? `passes${isClamped ? ', with less output' : ''}` : 'refuses';
  return `${label}: ${show(used)} used, ${show(held)} held, ${show(hold)} asked for, of ${show(amount)} (${mode}): ${state}`;
}

/** All significant digits, cents at least: `$20.00`, `$0.061504`. */
function dollars(nanoUsd: number): string {
  const text = (nanoUsd / 1e9).toFixed(9);
  return `$${text.replace(/0{1,7}$/, '')}`;
}

function shorten(patterns: readonly string[]): string {
  if (patterns.length <= maxPatterns) return patterns.join(', ');
  return `${patterns.slice(0, maxPatterns).join(', ')} and ${patterns.length - maxPatterns} more`;
}

const maxPatterns = 10;

function toTargetLine(
  { target }: NonNullable<Explanation['plan']>[number],
  index: number,
  targets: Explanation['targets'] = [],
): string {
  const reason = targets.find((traced) => traced.target === target)?.reason;
  return `${index + 1}. ${target}${reason === undefined ? '' : ` (${reason})`}`;
}

function toRouteLine({ route, matched, reason }: NonNullable<Explanation['routes']>[number]): string {
  return matched ? `${route}: matches` : `${route}: no, ${reason}`;
}

/** Targets not in the plan; undefined for none. */
function toLeftOut(targets: Explanation['targets']): string[] | undefined {
  const out = (targets ?? []).filter(({ place }) => place === undefined);
  return out.length === 0
    ? undefined
    : out.map(({ target, reason }) => `${target} ${reason ?? ''}`.trimEnd());
}

function row(name: string, value: string | undefined): string[] {
  return value === undefined || value === '' ? [] : [`${name.padEnd(11)}${value}`];
}

function list(name: string, values: readonly string[] | undefined): string[] {
  if (!values) return [];
  if (values.length === 0) return row(name, 'none');
  return values.flatMap((value, index) => row(index === 0 ? name : '', value));
}

function join(parts: readonly (string | undefined)[]): string {
  return parts.filter((part) => part !== undefined && part !== '').join(' ');
}
