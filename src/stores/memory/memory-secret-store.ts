import { createChangeNotifier } from '../change-notifier.ts';
import { frozenCopy } from '../frozen.ts';
import { requireNextVersion } from '../key-change.ts';
import { requirePageSize } from '../page.ts';
import type { SecretRecord, SecretStore } from '../secret-store.ts';

/**
 * Keeps sealed secrets in this process: for tests, and for one node that is given its secrets at each start.
 */
export function createMemorySecretStore(): SecretStore {
  const notifier = createChangeNotifier();
  const byId = new Map<string, SecretRecord>();
  let stamp = 0;
  const tell = (id: string): true => {
    stamp++;
    notifier.tell(id);
    return true;
  };
  return {
    findSecret: async (id) => byId.get(id) ?? null,
    async listSecrets({ after = '', limit }) {
      const size = requirePageSize('listSecrets', limit);
      const ids = [...byId.keys()].filter((id) => id > after).sort();
      return ids.slice(0, size).map((id) => byId.get(id) as SecretRecord);
    },
    async putSecret(record, expectedVersion) {
      requireNextVersion('putSecret', record.version, expectedVersion);
      if ((byId.get(record.id)?.version ?? 0) !== expectedVersion) return false;
      byId.set(record.id, frozenCopy(record));
      return tell(record.id);
    },
    async removeSecret(id, expectedVersion) {
      if (byId.get(id)?.version !== expectedVersion) return false;
      byId.delete(id);
      return tell(id);
    },
    readSecretsStamp: async () => stamp,
    watchSecrets: (listener) => notifier.watch(listener),
  };
}
