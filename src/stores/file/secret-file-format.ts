import { freezeDeep } from '../frozen.ts';
import type { SecretRecord } from '../secret-store.ts';
import type { RecordFormat } from './record-file.ts';
import { parseRecords, printRecords, requireText } from './record-text.ts';

/** Secrets by id, with the number of changes ever made. */
export interface SecretsState {
  readonly byId: ReadonlyMap<string, SecretRecord>;
  readonly stamp: number;
}

const kind = 'headgate-secrets';

/** Sealed secrets, one per line. */
export const secretFileFormat: RecordFormat<SecretsState> = {
  empty: { byId: new Map(), stamp: 0 },
  parse(text) {
    const { header, records } = parseRecords(text, kind);
    const { stamp } = header;
    if (typeof stamp !== 'number' || !Number.isSafeInteger(stamp))
      throw new Error('is damaged: it has no "stamp"');
    const byId = new Map<string, SecretRecord>();
    for (const [at, record] of records.entries()) {
      const secret = requireSecret(record, `secret number ${at + 1}`);
      if (byId.has(secret.id)) throw new Error(`is damaged: two secrets have the id "${secret.id}"`);
      byId.set(secret.id, secret);
    }
    return { byId, stamp };
  },
  print: ({ byId, stamp }) => printRecords(kind, { stamp }, byId.values()),
  *compare(before, after) {
    for (const record of after.byId.values()) {
      const known = before.byId.get(record.id);
      if (known !== record && JSON.stringify(known) !== JSON.stringify(record)) yield record.id;
    }
    for (const id of before.byId.keys()) if (!after.byId.has(id)) yield id;
  },
};

function requireSecret(record: Record<string, unknown>, where: string): SecretRecord {
  for (const field of ['id', 'provider', 'scope', 'sealed']) requireText(record, field, where);
  if (!Number.isSafeInteger(record.version)) throw new Error(`is damaged: ${where} has no "version"`);
  return freezeDeep(record as unknown as SecretRecord);
}
