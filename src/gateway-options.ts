import type { Admission } from './admission/admission.ts';
import type { LoadMonitor } from './admission/load-monitor.ts';
import type { Run } from './agent-runs.ts';
import type { Snapshot } from './config/snapshot.ts';
import type { Arrival } from './context.ts';
import type { Identity } from './identity/identity.ts';
import type { PepperRing } from './keys/key-hash.ts';
import type { KeyResolver } from './keys/resolver.ts';
import type { Ledger } from './limits/ledger.ts';
import type { LimitEvent } from './limits/limit-event.ts';
import type { LimitOptions } from './limits/limit-options.ts';
import type { GatewayRequest } from './message.ts';
import type { Pipeline } from './pipeline.ts';
import type { Provider } from './providers/provider.ts';
import type { Router } from './routing/router.ts';
import type { Runtime } from './runtime.ts';
import type { Vault } from './secrets/vault.ts';
import type { Mirrors } from './stages/mirror.ts';
import type { RateLimitOptions } from './stages/rate-limit.ts';
import type { StoredOwners } from './stored/stored-owners.ts';
import type { ConfigVersionInfo } from './stores/config-store.ts';
import type { Hints } from './stores/hints.ts';
import type { KeyStore } from './stores/key-store.ts';
import type { RequestRecord } from './telemetry/record.ts';
import type { UsageSink } from './telemetry/sink.ts';
import type { Egress } from './upstream/egress.ts';
import type { Upstream } from './upstream/upstream.ts';
/** What a gateway is built with besides its configuration. Everything has a default that needs nothing installed. */
export interface GatewayOptions {
  /** Where keys are looked up. @default the `keys` of the configuration */
  readonly keys?: KeyStore;
  /**
   * Other ways to find out who calls, asked in this order and before the keys: tokens of the organisation's identity
   * provider, the host application's own sessions. They are closed with the gateway: each needs its own. @default none
   */
  readonly identities?: readonly Identity[];
  /** Provider credentials kept sealed in a store: what `{ store: id }` names, and the keys of projects and users. @default none */
  readonly vault?: Vault;
  /** How a credential becomes a key record, in place of the built-in format and hashing. Wins over `keys` and `peppers`. */
  readonly keyResolver?: KeyResolver;
  /** Peppers of the key hashes. @default none, see `createNoPepperRing` */
  readonly peppers?: PepperRing;
  /**
   * How long after the start keys that are used are stored anew under the current pepper, milliseconds; see
   * `createRehasher`. `Infinity`: never. @default 600_000, 10 minutes
   */
  readonly rehashAfterMs?: number;
  /** Where limits are kept. Stays open when the gateway closes. @default the memory of this process */
  readonly ledger?: Ledger;
  /** How limits are decided: ahead of need, and while their ledger cannot be asked. */
  readonly limits?: LimitOptions;
  /**
   * Told when a threshold of a limit is reached, when the ledger is given up or is back, and of single calls of it that
   * failed. Must not throw. @default that the ledger was given up goes to `onError`
   */
  readonly onLimit?: (event: LimitEvent) => void;
  /**
   * The agent run that a request is part of, as the host application knows it: one that `run` opened, or a name. What it
   * says counts whatever the caller's `x-headgate-run` says, or leaves out. Called for each request, must not throw.
   *
   * @default what callers say
   */
  readonly runOf?: (request: GatewayRequest) => Run | string | undefined;
  /**
   * What the tokens of runs are sealed with, at least 16 bytes: processes with the same secret know each other's runs.
   *
   * @default made anew by each gateway, which knows its own runs only
   */
  readonly runSecret?: string | Uint8Array;
  /** Where records go: a sink or a function. @default the last 1,000 in memory */
  readonly sink?: UsageSink | ((record: RequestRecord) => void | Promise<void>);
  /** Who had a provider store which response or batch. Give several gateways a common one. @default the memory of this process */
  readonly storedOwners?: StoredOwners;
  /** Providers of your own, beside the built-in ones. */
  readonly providers?: readonly Provider[];
  /**
   * What nodes tell each other by: breakers that open are told, and others ask that target last for a while. Lost messages
   * change nothing.
   *
   * @default nobody is told; in `openGateway` the stores', where they have some
   */
  readonly hints?: Hints;
  /** The way out. @default undici */
  readonly egress?: Egress;
  /** Clock, randomness, ids. @default the system's */
  readonly runtime?: Runtime;
  /** Environment that `{ env: … }` secrets are read from. @default process.env */
  readonly environment?: NodeJS.ProcessEnv;
  /** Tells how busy the process is, for the limits of `admission`. @default its event loop and heap */
  readonly loadMonitor?: LoadMonitor;
  /** A pipeline in place of the default one. It is given what the default one would be made of. */
  readonly pipeline?: (parts: PipelineParts) => Pipeline<Arrival>;
  /**
   * Told of errors that no caller can see: a bug in a stage, a record that a function sink lost, a provider credential
   * that cannot be fetched any more. Never of refusals. @default ignored; the record of the request still has `internal_error`
   */
  readonly onError?: (error: unknown) => void;
  /** Told of another configuration that is in force: what it warns of may be worth a line. Must not throw. @default nobody */
  readonly onUpdate?: (snapshot: Snapshot) => void;
  /** The stored version that the configuration is, see `openGateway`; its number is in every record. @default none */
  readonly version?: ConfigVersionInfo;
}

/** What stages are made of. */
export interface PipelineParts {
  readonly keyResolver: KeyResolver;
  readonly identities: readonly Identity[];
  readonly vault: Vault | undefined;
  /** With everything that `limits` of the options puts before the one that was given. */
  readonly ledger: Ledger;
  /** What `rateLimit` is made of, the ledger among it. */
  readonly limits: RateLimitOptions;
  readonly sink: UsageSink;
  readonly upstream: Upstream;
  /** What `admit` is made of. */
  readonly admission: Admission;
  readonly router: Router;
  readonly storedOwners: StoredOwners;
  readonly mirrors: Mirrors;
  readonly runtime: Runtime;
  readonly snapshot: Snapshot;
}
