import { count } from '../count.ts';
import type { Io } from '../io.ts';
import { createStyle } from '../style.ts';
import { packageVersion } from '../version.ts';
import { exportLines } from './local-key.ts';
import type { PreparedConfig } from './prepare-config.ts';

/** Tells where the gateway listens, with what, and what is odd about that; and, once, any temporary key. */
export function announce(
  { config, loaded, localKey, hasKeyStore = false }: PreparedConfig,
  url: string,
  warnings: readonly string[],
  isJson: boolean,
  io: Io,
): void {
  const providers = Object.keys(config.providers);
  const models = Object.keys(config.models).length;
  const keys = hasKeyStore ? null : (config.keys?.length ?? 0);
  if (isJson) {
    const line = {
      event: 'listening',
      url,
      providers,
      models,
      keys,
      source: loaded.source,
      ...(warnings.length > 0 && { warnings }),
    };
    io.stdout.write(`${JSON.stringify({ ...line, ...(localKey && { temporaryKey: localKey.key }) })}\n`);
    return;
  }
  const style = createStyle(io.stdout, io.environment);
  io.stdout.write(
    `headgate ${packageVersion()} listening on ${style.bold(url)} (providers: ${providers.join(', ')}; ` +
      `${count(models, 'model')}, ${keys === null ? 'keys in the store' : count(keys, 'key')}; configuration: ${loaded.source})\n`,
  );
  for (const warning of warnings) io.stdout.write(`${warning}\n`);
  if (!localKey) return;
  io.stdout.write(
    [
      '',
      'No keys are configured. This one is valid until the gateway stops; for your client:',
      '',
      ...exportLines(config, url, localKey.key).map((line) => `  ${line}`),
      '',
      '',
    ].join('\n'),
  );
}
