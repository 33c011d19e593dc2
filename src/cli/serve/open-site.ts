import type { Gateway } from '../../gateway.ts';
import type { GatewayOptions } from '../../gateway-options.ts';
import type { IssuedKey } from '../../keys/issue-key.ts';
import type { PepperRing } from '../../keys/key-hash.ts';
import type { Runtime } from '../../runtime.ts';
import type { Io } from '../io.ts';
import type { PreparedConfig, Site } from './prepare-config.ts';

/** A gateway that follows the source of its configuration. */
export interface OpenSite {
  readonly gateway: Gateway;
  readonly prepared: PreparedConfig;
  /** Looks for something new. */
  reload(): void;
  /** Stops following; the gateway goes on as it is. */
  stopFollowing(): Promise<void>;
  /** Closes what the site opened besides the gateway. Call once the gateway is closed. */
  release(): Promise<void>;
}

/** What every site is opened with. */
export interface SiteOptions {
  readonly site: Site;
  readonly io: Io;
  readonly peppers: PepperRing;
  readonly runtime: Runtime;
  readonly gateway: GatewayOptions;
  /** The key to use where there are none. @default made when it is needed */
  readonly localKey?: IssuedKey | undefined;
}
