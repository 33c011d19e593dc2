import type { SecretRecord } from '../../stores/secret-store.ts';

/** A record with the fields that every secret has. */
export function sampleSecret(id: string, more: Partial<SecretRecord> = {}): SecretRecord {
  return {
    id,
    provider: 'openai',
    scope: 'gateway',
    sealed: `v1.${'c2VhbGVk'.repeat(20)}.${id}`,
    createdAtMs: 1_900_000_000_001,
    rotatedAtMs: 1_900_000_000_002,
    version: 1,
    ...more,
  };
}

/** In the order of the records. */
export const idsOf = (records: readonly SecretRecord[]) => records.map(({ id }) => id);
