import type { Gateway } from '../../gateway.ts';
import type { GatewayOptions } from '../../gateway-options.ts';
import type { IssuedKey } from '../../keys/issue-key.ts';
import type { PepperRing } from '../../keys/key-hash.ts';
import type { Runtime } from '../../runtime.ts';
import type { Io } from '../io.ts';
import type { PreparedConfig, Site } from './prepare-config.ts';

/** A gateway that follows where its configuration comes from. */
export interface OpenSite {
  readonly gateway: Gateway;
  readonly prepared: PreparedConfig;
  /** Looks whether there is something new. */
  reload(): void;
  /** Ends following; the gateway goes on as it is. */
  stopFollowing(): Promise<void>;
  /** Ends what the site opened besides the gateway. Call when the gateway is closed. */
  release(): Promise<void>;
}

/** What every site is opened with. */
export interface SiteOptions {
  readonly site: Site;
  readonly io: Io;
  readonly peppers: PepperRing;
  readonly runtime: Runtime;
  readonly gateway: GatewayOptions;
  /** The key in place of one that is made where there are none. @default made when it is needed */
  readonly localKey?: IssuedKey | undefined;
}
