import type { SecretResult } from './opened-secrets.ts';
import { Secret } from './secret.ts';
import { SecretError } from './secret-error.ts';
import type { SecretSource, SourceParts } from './secret-source.ts';

/** A secret of the vault, kept open while the source is. */
export function createVaultSource(parts: SourceParts, id: string): SecretSource {
  const { label, vault, provider, kept } = parts;
  if (!vault)
    throw new TypeError(
      `${label}: { store: "${id}" } needs a vault, and there is none (headgate serve: set HEADGATE_KEK).`,
    );
  const release = vault.hold(id);
  let isClosed = false;

  const missing = (): SecretError =>
    new SecretError('secret_missing', `${label}: there is no secret "${id}" in the store.`, { secret: id });
  const take = (result: SecretResult | undefined): Secret => {
    if (!(result instanceof Secret)) throw result ?? missing();
    kept.takeSecret(result);
    return kept.read();
  };
  const get = () => vault.get(id, provider);
  const ready = async (): Promise<void> => {
    take(await get());
  };

  return {
    label,
    current() {
      if (isClosed) return kept.read();
      const result = get();
      if (!(result instanceof Promise)) return take(result);
      throw new SecretError('secret_unavailable', `${label}: the secret "${id}" is being opened.`, {
        secret: id,
      });
    },
    ready,
    async refresh() {
      await vault.refresh(id);
      await ready();
    },
    close() {
      isClosed = true;
      release();
    },
  };
}
