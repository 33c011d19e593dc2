import { createVaultAdmin } from '../../secrets/vault-admin.ts';
import type { Command } from '../command.ts';
import { requireKeyEncryptionRing } from '../key-encryption.ts';
import { requiredStoreUrl, storeOption, withStores } from '../open-stores.ts';

/** Reseals all stored credentials. */
export const providersRewrap: Command = {
  name: 'providers rewrap',
  summary: 'seal all stored credentials anew under the current key',
  details: [
    'For a new HEADGATE_KEK: name it HEADGATE_KEK (with an HEADGATE_KEK_ID of its own) and the old one in',
    'HEADGATE_OTHER_KEKS (id=key,id=key), for this command and for every gateway. When it has ended with 0, nothing is sealed',
    'under the old one any more. The credentials themselves stay as they are, and gateways go on using them meanwhile.',
  ].join('\n'),
  options: { ...storeOption },
  async run(values, io) {
    const url = requiredStoreUrl(values, io);
    const ring = requireKeyEncryptionRing(io.environment);
    const report = await withStores(url, io, ({ secrets }) =>
      createVaultAdmin({ store: secrets, ring }).rewrapAll(),
    );
    const { rewrapped, skipped, failures, failed, complete } = report;
    if (values.json === true) io.stdout.write(`${JSON.stringify({ ...report, keyId: ring.current })}\n`);
    else io.stdout.write(`sealed ${rewrapped} anew under ${ring.current}; ${skipped} were already\n`);
    for (const { id, code } of failures) io.stderr.write(`headgate: ${id} stays as it is: ${code}\n`);
    return complete && failed === 0 ? 0 : 1;
  },
};
