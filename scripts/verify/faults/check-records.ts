import type { RequestRecord } from '../../../src/telemetry/record.ts';
import type { Got } from './client.ts';
import { promptSentinel } from './dialects.ts';
import type { Site } from './site.ts';
import { credentials } from './site-config.ts';
import type { CallerGets, Charge, Count, Expectation } from './table/row.ts';
import type { SeenRequest } from './upstream/fault-upstream.ts';

const outcomes: Readonly<Record<CallerGets['what'], RequestRecord['outcome']>> = {
  answer: 'complete',
  'rescued answer': 'complete',
  error: 'failed',
  'stream error': 'failed',
  refusal: 'refused',
  'broken connection': 'failed',
};

/** Whether a count is what was expected. */
export function isCount(value: number, wanted: Count): boolean {
  return typeof wanted === 'number' ? value === wanted : value >= wanted[0] && value <= wanted[1];
}

/** A count in words. */
export function toCountText(wanted: Count): string {
  return typeof wanted === 'number' ? String(wanted) : `${wanted[0]} to ${wanted[1]}`;
}

/** What is wrong with the record of a request. */
export function checkRecord(record: RequestRecord, got: Got, wants: Expectation): string[] {
  const findings: string[] = [];
  const check = (holds: boolean, otherwise: string): void => {
    if (!holds) findings.push(otherwise);
  };
  const { caller } = wants;
  check(record.id === got.headers['x-request-id'], 'the record has another id than the reply');
  check(record.outcome === outcomes[caller.what], `the record says ${record.outcome}`);
  const codes =
    caller.what === 'error' || caller.what === 'broken connection'
      ? [caller.code]
      : caller.what === 'stream error'
        ? caller.codes
        : undefined;
  if (codes)
    check(
      codes.some((code) => code === record.errorCode),
      `the record's error is ${record.errorCode}`,
    );
  const sum = (one: Count, other: Count): Count =>
    typeof one === 'number' && typeof other === 'number'
      ? one + other
      : [toPair(one)[0] + toPair(other)[0], toPair(one)[1] + toPair(other)[1]];
  const attempts = wants.attempts ?? sum(wants.first, wants.second ?? 0);
  const targets = record.attempts.map(({ target, failure }) => `${target} ${failure ?? 'ok'}`).join(', ');
  check(
    isCount(record.attempts.length, attempts),
    `${record.attempts.length} attempts on record, not ${toCountText(attempts)}: ${targets}`,
  );
  return findings;
}

function toPair(count: Count): readonly [number, number] {
  return typeof count === 'number' ? [count, count] : count;
}

/** What was used, by what was seen on the wire. */
export interface Used {
  /** Tokens that the upstream reported. */
  readonly actual: number;
  /** Chunks of content that reached the caller. */
  readonly delivered: number;
}

/** What is wrong with what a request was charged. */
export function checkCharge(
  site: Site,
  record: RequestRecord,
  charged: Charge,
  { actual, delivered }: Used,
): string[] {
  const { journal } = site;
  const findings: string[] = [];
  const check = (holds: boolean, otherwise: string): void => {
    if (!holds) findings.push(otherwise);
  };
  check(journal.open === 0, `${journal.open} reservations are held`);
  check(journal.settledTwice === 0, 'a reservation was settled twice');
  for (const state of journal.states()) {
    check(state.held === 0, `${state.held} are held of ${state.key}`);
  }
  const [tokens = Number.NaN, nanoUsd = Number.NaN] = journal.settled.get(record.id) ?? [];
  const { usage } = record;
  const seen = `${tokens} tokens, by the record ${JSON.stringify(usage)}`;
  switch (charged) {
    case 'nothing':
      check(tokens === 0 && nanoUsd === 0, `charged, and should not be: ${seen}`);
      break;
    case 'input':
      check(tokens > 0 && tokens === usage?.inputTokens, `not the input is charged: ${seen}`);
      break;
    case 'delivered':
      check((usage?.inputTokens ?? 0) > 0, `the input is not charged: ${seen}`);
      check((usage?.outputTokens ?? 0) >= delivered, `${delivered} chunks were delivered: ${seen}`);
      check(
        tokens === (usage?.inputTokens ?? 0) + (usage?.outputTokens ?? 0),
        `another use is charged: ${seen}`,
      );
      break;
    case 'both':
      check(tokens > actual, `no more is charged than the answer, ${actual} tokens: ${seen}`);
      break;
    case 'estimate':
      check(usage !== undefined && usage.source !== 'reported', `it is no estimate: ${seen}`);
      check(
        tokens > (usage?.inputTokens ?? 0) && (usage?.inputTokens ?? 0) > 0,
        `too little is charged: ${seen}`,
      );
      break;
    case 'actual':
      check(usage?.source === 'reported', `it is not what was reported: ${seen}`);
      check(tokens === actual, `${actual} tokens were used: ${seen}`);
      break;
  }
  if (charged !== 'nothing') {
    const cost = (usage?.inputTokens ?? 0) * 2_000 + (usage?.outputTokens ?? 0) * 8_000;
    check(
      nanoUsd === cost && record.costNanoUsd === cost,
      `the cost is ${nanoUsd} and ${record.costNanoUsd}, not ${cost}`,
    );
  }
  return findings;
}

/** Secrets of the gateway, and what callers wrote, where they must not be. */
export function checkSecrets(site: Site, got: readonly Got[], seen: readonly SeenRequest[]): string[] {
  const findings: string[] = [];
  const secretPart = site.key.slice(-20);
  for (const { headers, body } of got) {
    const text = JSON.stringify(headers) + body.toString('latin1');
    for (const credential of credentials) {
      if (text.includes(credential)) findings.push('a credential of the gateway reached the caller');
    }
    if (text.includes(secretPart)) findings.push("the caller's key came back");
  }
  for (const { head, body } of seen) {
    if ((head.raw + body.toString('latin1')).includes(secretPart))
      findings.push("the caller's key reached a provider");
  }
  const told = JSON.stringify(site.records) + site.errors.map(toText).join('\n');
  for (const secret of [...credentials, secretPart, promptSentinel, 'BEGIN CERTIFICATE']) {
    if (told.includes(secret)) findings.push(`${secret} is in a record or an error`);
  }
  return findings;
}

function toText(error: unknown): string {
  if (!(error instanceof Error)) return JSON.stringify(error) ?? String(error);
  return `${error.stack}\n${JSON.stringify(error)}\n${error.cause === undefined ? '' : toText(error.cause)}`;
}
