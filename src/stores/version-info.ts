import type { ConfigVersion, ConfigVersionInfo } from './config-store.ts';

/** A version without its configuration. */
export function toVersionInfo({ config: _config, ...info }: ConfigVersion): ConfigVersionInfo {
  return info;
}
