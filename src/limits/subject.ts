import { createHash } from 'node:crypto';
import type { Metadata } from '../metadata.ts';
import type { Principal } from '../principal.ts';

/** Whose use a limit adds up. */
export type LimitSubject =
  | 'organisation'
  | 'team'
  | 'project'
  | 'user'
  | 'key'
  | 'run'
  | 'endUser'
  | 'model'
  | 'provider'
  | 'credential'
  | `metadata:${string}`;

/** What is known of a request that limits can add up by. Absent, undefined or empty means missing. */
export interface SubjectFacts {
  readonly principal?: Pick<Principal, 'key' | 'team' | 'project' | 'user'> | undefined;
  /** Public name of the model. */
  readonly model?: string | undefined;
  readonly metadata?: Metadata | undefined;
  /** The agent run that the request is part of. */
  readonly run?: string | undefined;
  /** The end user on whose behalf the caller asks. */
  readonly endUser?: string | undefined;
  /** Id of the provider of an attempt. */
  readonly provider?: string | undefined;
  /** Id of the credential of an attempt: `provider#credential`. */
  readonly credential?: string | undefined;
}

const order: readonly LimitSubject[] = [
  'organisation',
  'team',
  'project',
  'user',
  'key',
  'run',
  'endUser',
  'model',
  'provider',
  'credential',
];

/** Subjects in one order, so that `team, model` and `model, team` are one count; the organisation adds nothing to others. */
export function toSubjects(per: LimitSubject | readonly LimitSubject[]): readonly LimitSubject[] {
  const named = new Set(typeof per === 'string' ? [per] : per);
  const known = order.filter((subject) => named.has(subject));
  const others = [...named].filter((subject) => !order.includes(subject)).sort();
  const all = [...known, ...others];
  return all.length === 1 ? all : all.filter((subject) => subject !== 'organisation');
}

/**
 * The ledger key of a count for the subjects of a request: `prefix/team=payments/model=gpt-4.1`. No two combinations of
 * prefix and values share a key; a key is printable ASCII of at most 200 characters, a longer one ends in its SHA-256.
 *
 * @param prefix as `toPrefix` makes it
 * @returns undefined when the request lacks one of the subjects
 */
export function subjectKey(
  prefix: string,
  subjects: readonly LimitSubject[],
  facts: SubjectFacts,
): string | undefined {
  let key = prefix;
  for (let index = 0; index < subjects.length; index++) {
    const subject = subjects[index] as LimitSubject;
    if (subject === 'organisation') continue;
    const value = factOf(subject, facts);
    if (value === undefined || value === '') return undefined;
    key += `/${subject}=${escaped(value)}`;
  }
  return bound(key);
}

/** The first of the subjects that a request lacks; undefined when it has them all. */
export function missingSubject(
  subjects: readonly LimitSubject[],
  facts: SubjectFacts,
): LimitSubject | undefined {
  return subjects.find((subject) => subject !== 'organisation' && !factOf(subject, facts));
}

/** The beginning of ledger keys, from parts that may have any characters. */
export function toPrefix(parts: readonly string[]): string {
  return bound(parts.map(escaped).join('/'));
}

function factOf(subject: LimitSubject, facts: SubjectFacts): string | undefined {
  switch (subject) {
    case 'organisation':
      return undefined;
    case 'team':
    case 'project':
    case 'user':
    case 'key':
      return facts.principal?.[subject];
    case 'run':
    case 'endUser':
    case 'model':
    case 'provider':
    case 'credential':
      return facts[subject];
    default: {
      const name = subject.slice('metadata:'.length);
      const { metadata } = facts;
      return metadata && Object.hasOwn(metadata, name) ? metadata[name] : undefined;
    }
  }
}

const plain = /^[A-Za-z0-9 ._~@:*-]*$/;
const special = /[^A-Za-z0-9 ._~@:*-]/g;

/** Each special UTF-16 unit as `%` and four digits: no two texts collide, not even lone surrogates. */
function escaped(text: string): string {
  if (plain.test(text)) return text;
  return text.replace(special, (unit) => `%${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

const maxLength = 200;
const keptLength = 150;

function bound(key: string): string {
  if (key.length <= maxLength) return key;
  // "#" is escaped everywhere else
  return `${key.slice(0, keptLength)}#${createHash('sha256').update(key).digest('base64url')}`;
}
