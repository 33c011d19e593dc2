import type { Explanation } from '../explain.ts';
import type { Style } from './style.ts';

/** An explanation for people. */
export function renderExplanation(explanation: Explanation, style: Style): string {
  const { allowed, refusal, principal, model, requestedModel } = explanation;
  const renamed = model !== undefined && model !== requestedModel && requestedModel !== undefined;
  const lines = [
    allowed ? style.green('would be sent to a provider') : style.red(toRefusal(explanation)),
    ...(refusal ? ['', `  ${refusal.message}`] : []),
    '',
    ...row('operation', join([explanation.operation, explanation.dialect && `(${explanation.dialect})`])),
    ...row('key', principal && join([principal.key, principal.user && `of ${principal.user}`])),
    ...row(
      'team',
      principal && join([principal.team, explanation.profile && `(profile ${explanation.profile})`]),
    ),
    ...row('model', renamed ? `${model} (asked for as ${requestedModel})` : (model ?? requestedModel)),
    ...list('limits', explanation.limits?.map(toLimitLine)),
    ...list('targets', explanation.plan?.map(toTargetLine)),
  ];
  return `${lines.join('\n')}\n`;
}

function toRefusal({ refusal }: Explanation): string {
  return refusal
    ? `would be refused: ${refusal.status} ${refusal.code}`
    : 'would be refused: a limit is reached';
}

function toLimitLine(limit: NonNullable<Explanation['limits']>[number]): string {
  const state = limit.wouldPass ? 'passes' : 'refuses';
  return `${limit.label}: ${limit.used} used, ${limit.held} held, ${limit.hold} asked for, of ${limit.amount} (${limit.mode}): ${state}`;
}

function toTargetLine(target: NonNullable<Explanation['plan']>[number], index: number): string {
  const state = [
    ...(target.breaker === 'closed' ? [] : [`breaker ${target.breaker}`]),
    ...(target.coolDownMs > 0 ? [`cools down for ${target.coolDownMs} ms`] : []),
  ];
  return `${index + 1}. ${target.target}${state.length > 0 ? ` (${state.join(', ')})` : ''}`;
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
