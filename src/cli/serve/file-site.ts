import { createSerial } from '../../config/serial.ts';
import { createGateway } from '../../gateway.ts';
import { type IssuedKey, issueKey } from '../../keys/issue-key.ts';
import { localTeam } from './local-key.ts';
import type { OpenSite, SiteOptions } from './open-site.ts';
import { prepareConfig } from './prepare-config.ts';
import { watchConfig } from './reload.ts';

/** A gateway whose configuration, keys included, comes from a file or the environment. */
export async function openFileSite({
  site,
  io,
  peppers,
  runtime,
  gateway: options,
}: SiteOptions): Promise<OpenSite> {
  let localKey: IssuedKey | undefined;
  const makeKey = () => {
    localKey ??= issueKey({ team: localTeam, environment: 'local' }, peppers, runtime);
    return localKey;
  };
  const prepare = () => prepareConfig(site, io, peppers, makeKey);
  const prepared = await prepare();
  const gateway = createGateway(prepared.config, options);
  const reload = createSerial(async () => {
    try {
      const next = await prepare();
      gateway.update(next.config);
      io.stderr.write(`headgate: configuration loaded again from ${next.loaded.source}.\n`);
    } catch (error) {
      io.stderr.write(
        `headgate: the new configuration is not used, the old one goes on: ${(error as Error).message}\n`,
      );
    }
  });
  const { file } = prepared.loaded;
  const releases = [
    io.onSignal('SIGHUP', () => void reload()),
    ...(file === undefined ? [] : [watchConfig(file, () => void reload())]),
  ];
  return {
    gateway,
    prepared,
    async stopFollowing() {
      for (const release of releases) release();
    },
    release: async () => {},
  };
}
