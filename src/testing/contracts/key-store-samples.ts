import assert from 'node:assert/strict';
import type { KeyRecord } from '../../stores/key-store.ts';

/** All optional fields, with text that encodings and quoting get wrong. */
export const everyField = {
  project: 'checkout',
  owner: 'Ana Ólafsdóttir <ana@example.com>',
  application: 'review-agent',
  environment: 'test',
  models: ['gpt-*', 'quote\'d "model"', '模型'],
  expiresAtMs: 4_102_444_800_001,
  labels: { 'cost-centre': '42', empty: '', emoji: '🔑', path: 'a.b/c:d' },
} satisfies Partial<KeyRecord>;

/** Ids that no key has, for the queries and protocols behind a store. */
export const hostileKids = [
  "' OR '1'='1",
  "Aa0000000001'; DROP TABLE keys; --",
  'Aa0000000001\0',
  '__proto__',
  'constructor',
  'toString',
  '../Aa0000000001',
  'Aa0000000001\r\nDEL x',
  'Ａa0000000001',
  '🔑'.repeat(20),
  'A'.repeat(256),
  '{"$gt":""}',
];

/** A record with the fields that every key has. */
export function sampleRecord(kid: string, more: Partial<KeyRecord> = {}): KeyRecord {
  return {
    kid,
    secretHash: '0123456789abcdef'.repeat(4),
    pepperId: 'p1',
    team: 'web',
    environment: 'live',
    createdAtMs: 1_900_000_000_001,
    last4: 'x9Yz',
    ...more,
  };
}

/** Tries to change a record at every depth; frozen ones are right to resist. */
export function vandalise(record: KeyRecord): void {
  const attempts = [
    () => Object.assign(record, { team: 'intruder', revokedAtMs: undefined }),
    () => (record.models as string[]).push('*'),
    () => Object.assign(record.labels as object, { 'cost-centre': '0' }),
  ];
  for (const attempt of attempts) {
    try {
      attempt();
    } catch (error) {
      assert.ok(error instanceof TypeError, 'only being frozen is a reason to fail');
    }
  }
}
