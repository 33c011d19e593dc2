import type { KeyRecord } from '../../stores/key-store.ts';
import { spoil } from './store-case.ts';

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

/** The fields that only a writable store must keep. */
export const everyNewerField = {
  limits: [
    { unit: 'usd', amount: '12.5', window: '30d', mode: 'block', per: 'key' },
    { unit: 'parallel', amount: 3, mode: 'warn', models: ['gpt-*'] },
  ],
  createdBy: 'root "the first" <root@example.com>',
  name: 'review bot – наш ключ',
  previous: {
    secretHash: 'fedcba9876543210'.repeat(4),
    pepperId: 'p0',
    last4: 'a1B2',
    graceUntilMs: 4_102_444_800_007,
  },
  lastUsedAtMs: 1_900_000_000_777,
  previousUsedAtMs: 1_900_000_000_666,
  revokedAtMs: 1_900_000_000_999,
} satisfies Partial<KeyRecord>;

/** Text that queries, protocols, patterns and file formats may misinterpret. */
export const hostileTexts = [
  "O'Brien'; DROP TABLE keys; --",
  'a "quoted" \\ back\\slash \\u0041 \\0',
  '%_*?[a-z]{b,c}^$.|()+',
  '{"json": true}',
  '"',
  '\\',
  '$1 :name @p0 $[x] #{y} {{z}}',
  'line\nfeed\r\nand\ttab\u0007bell\u001bescape\u007fdelete',
  '  spaces at both ends  ',
  'ﬃ é e\u0301 שלום العربية 日本語 \u2028\u2029\ufeff\u200b\u202e',
  '👩‍👩‍👧‍👦🏳️‍🌈🔑𝄞',
  'NULL',
  'undefined',
  '__proto__',
  'constructor',
  'ü'.repeat(200),
];

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

/** Tries to change a record at every depth; a frozen one may refuse. */
export function vandalise(record: KeyRecord): void {
  const attempts = [
    () => Object.assign(record, { team: 'intruder', revokedAtMs: undefined }),
    () => (record.models as string[]).push('*'),
    () => Object.assign(record.labels as object, { 'cost-centre': '0' }),
  ];
  for (const attempt of attempts) spoil(attempt);
}
