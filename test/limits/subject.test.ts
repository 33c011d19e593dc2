import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  isKeyOfCaller,
  limitKeyOf,
  missingSubjectOf,
  toLimit,
  type WrittenLimit,
} from '../../src/limits/limit.ts';
import { type LimitSubject, type SubjectFacts, subjectKey, toPrefix } from '../../src/limits/subject.ts';

const everyFact = {
  principal: { key: 'KID', team: 'payments', project: 'checkout', user: 'ada' },
  model: 'gpt-4.1',
  metadata: { ticket: 'PAY-1', 'a.b': 'c' },
  run: 'run-1',
  endUser: 'customer-1',
  provider: 'openai',
  credential: 'openai#eu',
} satisfies SubjectFacts;

const subjects: LimitSubject[] = [
  'team',
  'project',
  'user',
  'key',
  'run',
  'endUser',
  'model',
  'provider',
  'credential',
  'metadata:ticket',
  'metadata:a.b',
];

const limitPer = (per: LimitSubject | readonly LimitSubject[], more: Partial<WrittenLimit> = {}) =>
  toLimit({ unit: 'requests', amount: 1, window: '1m', mode: 'block', per, ...more }, 'profile p', 'key');

/** Facts with one value for a subject. */
function factsOf(values: Readonly<Record<string, string>>): SubjectFacts {
  const { key = '', team = '', project, user, model, run, endUser, provider, credential, ...others } = values;
  const metadata = Object.fromEntries(
    Object.entries(others).map(([name, value]) => [name.slice('metadata:'.length), value]),
  );
  return {
    principal: { key, team, project, user },
    model,
    run,
    endUser,
    provider,
    credential,
    metadata,
  };
}

describe('the key of a count', () => {
  it('names its subjects and their values', () => {
    expect(limitKeyOf(limitPer(['team', 'model']), everyFact)).toBe(
      'profile p/requests/1m/team=payments/model=gpt-4.1',
    );
    expect(limitKeyOf(limitPer('metadata:ticket'), everyFact)).toBe(
      'profile p/requests/1m/metadata:ticket=PAY-1',
    );
    expect(limitKeyOf(limitPer('credential'), everyFact)).toBe(
      'profile p/requests/1m/credential=openai%0023eu',
    );
    expect(limitKeyOf(limitPer('organisation'), {})).toBe('profile p/requests/1m');
  });

  it('is the same in whatever order and how often subjects are named, and the organisation adds nothing', () => {
    const key = limitKeyOf(limitPer(['model', 'team']), everyFact);
    expect(limitKeyOf(limitPer(['team', 'model']), everyFact)).toBe(key);
    expect(limitKeyOf(limitPer(['team', 'organisation', 'model', 'team']), everyFact)).toBe(key);
  });

  it.each(subjects)('is none for a request that lacks the %s, or gives it as nothing', (subject) => {
    const limit = limitPer(['organisation', subject]);
    expect(limitKeyOf(limit, everyFact)).toBeDefined();
    expect(limitKeyOf(limit, {})).toBeUndefined();
    expect(limitKeyOf(limit, factsOf({ [subject]: '' }))).toBeUndefined();
    expect(limitKeyOf(limitPer([subject, subject === 'team' ? 'key' : 'team']), factsOf({}))).toBeUndefined();
  });

  it.each(['constructor', '__proto__', 'toString'])(
    'is none where the metadata named %s was not given',
    (name) => {
      expect(limitKeyOf(limitPer(`metadata:${name}`), { metadata: {} })).toBeUndefined();
    },
  );

  it('is not for requests for other models', () => {
    const limit = limitPer('key', { models: ['gpt-*', 'o3'] });
    expect(limitKeyOf(limit, everyFact)).toBeDefined();
    expect(limitKeyOf(limit, { ...everyFact, model: 'claude' })).toBeUndefined();
    expect(limitKeyOf(limit, { ...everyFact, model: undefined })).toBeUndefined();
  });

  const texts = fc.oneof(
    fc.string({ minLength: 1, maxLength: 12, unit: 'binary' }),
    fc.string({ minLength: 1, maxLength: 400 }),
    fc.constantFrom(
      'a',
      'a/key=b',
      'a/team=b',
      '%',
      '%0025',
      '#',
      'a#b',
      '{a}',
      '\ud800',
      '\udfff',
      '\ufffd',
    ),
    fc.constantFrom(
      '\u00e4',
      'a\u0308',
      'A',
      ' a',
      'a ',
      '__proto__',
      '\u0000',
      'x'.repeat(199),
      'x'.repeat(201),
    ),
  );
  const valuesOf = fc
    .subarray(subjects, { minLength: 1, maxLength: 4 })
    .chain((names) =>
      fc
        .tuple(...names.map(() => texts))
        .map((values) => Object.fromEntries(names.map((name, index) => [name, values[index] as string]))),
    );
  const counts = fc.record({ origin: texts, values: valuesOf });
  const keyOf = ({ origin, values }: { origin: string; values: Record<string, string> }) =>
    subjectKey(toPrefix([origin, 'requests']), Object.keys(values) as LimitSubject[], factsOf(values));

  it('is never that of another subject, whatever the names and values are', () => {
    fc.assert(
      fc.property(counts, counts, (one, other) => {
        const same = JSON.stringify(one) === JSON.stringify(other);
        expect(keyOf(one) === keyOf(other)).toBe(same);
      }),
      { numRuns: 3_000 },
    );
    // values that only differ in what divides a key
    fc.assert(
      fc.property(fc.array(texts, { minLength: 2, maxLength: 3 }), texts, (parts, origin) => {
        const [key = '', team = '', user = 'x'] = parts;
        const whole = { origin, values: { key: `${key}/team=${team}`, user } };
        const apart = { origin, values: { key, team, user } };
        expect(keyOf(whole)).not.toBe(keyOf(apart));
        expect(keyOf({ origin: `${origin}/requests`, values: { key } })).not.toBe(
          keyOf({ origin, values: { key } }),
        );
      }),
    );
  });

  it('is printable ASCII of at most 200 characters, without the braces that mean something to Redis', () => {
    fc.assert(
      fc.property(counts, (count) => {
        expect(keyOf(count)).toMatch(/^[A-Za-z0-9 ._~@:*%#/=-]{1,200}$/);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('a limit with "required"', () => {
  it('tells what a request lacks, and nothing when it lacks nothing', () => {
    const limit = limitPer(['team', 'project', 'metadata:ticket'], { required: true });
    expect(missingSubjectOf(limit, everyFact)).toBeUndefined();
    expect(missingSubjectOf(limit, { ...everyFact, metadata: {} })).toBe('metadata:ticket');
    const { principal } = everyFact;
    expect(missingSubjectOf(limit, { ...everyFact, principal: { ...principal, project: undefined } })).toBe(
      'project',
    );
    expect(missingSubjectOf(limitPer('organisation', { required: true }), {})).toBeUndefined();
  });

  it('asks nothing of requests for other models, and without it nothing of anybody', () => {
    const limit = limitPer('run', { required: true, models: ['gpt-*'] });
    expect(missingSubjectOf(limit, { model: 'gpt-4.1' })).toBe('run');
    expect(missingSubjectOf(limit, { model: 'claude' })).toBeUndefined();
    expect(missingSubjectOf(limitPer('run'), {})).toBeUndefined();
  });
});

describe('the key of a limit', () => {
  it.each<[LimitSubject[], boolean]>([
    [['key', 'team', 'model'], true],
    [['user'], true],
    [['project', 'organisation'], true],
    [['run'], false],
    [['team', 'endUser'], false],
    [['metadata:ticket'], false],
    [['credential'], false],
  ])('per %s can be remembered for a caller and a model: %s', (per, expected) => {
    expect(isKeyOfCaller(limitPer(per))).toBe(expected);
  });
});
