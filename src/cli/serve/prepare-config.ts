import type { LoadedConfig } from '../../config/load-config.ts';
import type { GatewayConfig } from '../../config/schema.ts';
import type { Snapshot } from '../../config/snapshot.ts';
import type { IssuedKey } from '../../keys/issue-key.ts';
import type { PepperRing } from '../../keys/key-hash.ts';
import { checkConfig, formatIssue } from '../check-config.ts';
import { CommandError } from '../command.ts';
import type { Io } from '../io.ts';
import { isLoopback } from './address.ts';
import { withLocalKey } from './local-key.ts';

/** Where the server listens, and the path of its configuration. */
export interface Site {
  readonly path: string | undefined;
  readonly host: string;
  readonly port: number;
}

/** A configuration that can be served at its site. */
export interface PreparedConfig {
  readonly config: GatewayConfig;
  readonly loaded: LoadedConfig;
  /** The key made because there was none. */
  readonly localKey: IssuedKey | undefined;
  /** Whether the keys are in a store, so that the configuration does not show how many there are. */
  readonly hasKeyStore?: boolean;
}

/**
 * Loads and checks the configuration for a site. Without keys it gets one when only this machine can reach the
 * gateway, and is refused otherwise.
 *
 * @throws CommandError with everything that is wrong
 */
export async function prepareConfig(
  site: Site,
  io: Io,
  peppers: PepperRing,
  makeKey: () => IssuedKey,
): Promise<PreparedConfig> {
  const result = await checkConfig({ path: site.path, cwd: io.cwd, environment: io.environment });
  if (!result.ok) {
    const issues = result.issues.map((issue) => formatIssue(issue, io.cwd));
    throw new CommandError(
      issues.length === 1 ? (issues[0] as string) : `The configuration is not valid:\n${issues.join('\n')}`,
    );
  }
  const { loaded, snapshot } = result;
  requireOtherProviders(snapshot, site);
  warnOfPeppers(snapshot.config.keys, peppers, io);
  if (snapshot.config.keys.length > 0) return { config: loaded.config, loaded, localKey: undefined };
  if (!isLoopback(site.host)) {
    // with a file, the variable is not read
    const place = loaded.file === undefined ? 'HEADGATE_KEYS (a JSON array)' : '"keys"';
    throw new CommandError(
      [
        `Refusing to listen on ${site.host} without keys: it can be reached from other machines.`,
        `Make one with \`headgate keys create --team <team>\` and put its record into ${place},`,
        'or listen on 127.0.0.1 to get a temporary one.',
      ].join('\n'),
    );
  }
  const localKey = makeKey();
  return { config: withLocalKey(loaded.config, localKey), loaded, localKey };
}

/** @throws CommandError when a provider is the gateway itself, which would loop every request */
export function requireOtherProviders({ providers }: Pick<Snapshot, 'providers'>, site: Site): void {
  for (const [id, { origin }] of providers) {
    if (!isItself(origin, site)) continue;
    throw new CommandError(`The base URL of provider "${id}" (${origin}) is this gateway's own address.`);
  }
}

/** Keys under unknown peppers are refused like wrong ones; their holders cannot tell why. */
export function warnOfPeppers(
  keys: readonly { readonly kid: string; readonly pepperId: string }[],
  peppers: PepperRing,
  io: Io,
): void {
  const unknown = keys.filter(({ pepperId }) => !peppers.has(pepperId));
  if (unknown.length === 0) return;
  const ids = [...new Set(unknown.map(({ pepperId }) => JSON.stringify(pepperId)))].join(', ');
  io.stderr.write(
    `headgate: ${unknown.length} of ${keys.length} keys cannot be used: they were hashed under the pepper ${ids}, and this ` +
      `gateway has ${JSON.stringify(peppers.current)}. See HEADGATE_PEPPER in headgate keys create --help.\n`,
  );
}

function isItself(origin: string, site: Site): boolean {
  const { hostname, port, protocol } = new URL(origin);
  const upstreamPort = port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port);
  return site.port === upstreamPort && (hostname === site.host || isLoopback(hostname));
}
