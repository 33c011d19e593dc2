import * as z from 'zod';
import { lazily } from '../lazily.ts';
import type { KeyRecord } from '../stores/key-store.ts';
import {
  keySchema,
  organisationSchema,
  profileSchema,
  projectSchema,
  teamSchema,
  userPolicySchema,
} from './schema/access.ts';
import { modelSchema, type priceSchema } from './schema/catalog.ts';
import { forwardingSchema } from './schema/forwarding.ts';
import { limitsSchema, nameSchema, patternSchema, userSchema } from './schema/parts.ts';
import { providerSchema, type secretSchema } from './schema/providers.ts';
import { routesSchema } from './schema/routes.ts';
import {
  admissionSchema,
  breakerSchema,
  idempotencySchema,
  relaySchema,
  retrySchema,
  storedSchema,
} from './schema/transport.ts';

/**
 * The whole configuration of a gateway; each field is described beside it.
 *
 * What a key may do comes from four levels, organisation, team (its profile), project and key, and from its user across
 * them. A lower level can only narrow the models and add limits; it cannot grant what a higher one withholds.
 */
export const configSchema = lazily(() =>
  z.strictObject({
    providers: z.record(nameSchema(), providerSchema()),
    models: z.record(patternSchema(), modelSchema()),
    organisation: organisationSchema().prefault({}),
    profiles: z.record(nameSchema(), profileSchema()).prefault({}),
    teams: z.record(nameSchema(), teamSchema()).prefault({}),
    /** While there is none, a key's project is only a label; once there is one, every key's project must be listed. */
    projects: z.record(nameSchema(), projectSchema()).prefault({}),
    /** Users with their own limits or models; other users need no entry. */
    users: z.record(userSchema(), userPolicySchema()).prefault({}),
    /** Keys in the configuration itself, as `headgate keys create` prints them. */
    keys: z.array(keySchema()).default([]),
    /** Which requests go where; the first match applies. If none matches, the model's own targets serve, in order. */
    routes: routesSchema(),
    /** Limits of the whole organisation. */
    limits: limitsSchema(),
    /** The gateway's address as callers see it, for links in replies. Default: from the request. */
    publicUrl: z.url({ protocol: /^https?$/ }).optional(),
    relay: relaySchema().prefault({}),
    retry: retrySchema().prefault({}),
    /** How requests are forwarded, and what follows when an attempt fails. */
    forwarding: forwardingSchema().prefault({}),
    breaker: breakerSchema().prefault({}),
    /** How many requests are admitted at once, and when no more are. */
    admission: admissionSchema().prefault({}),
    idempotency: idempotencySchema().prefault({}),
    /** Responses and batches that providers store. */
    stored: storedSchema().prefault({}),
  }),
);

/** A configuration as written. */
export type GatewayConfig = Omit<z.input<ReturnType<typeof configSchema>>, 'keys'> & {
  readonly keys?: readonly KeyRecord[];
};
/** A configuration with every default filled in. */
export type ParsedConfig = z.output<ReturnType<typeof configSchema>>;
/** How a provider is reached, with every default filled in: what `Snapshot.config` holds. */
export type ProviderConfig = ParsedConfig['providers'][string];
/** How to probe whether a provider is back. */
export type ProviderProbe = NonNullable<ProviderConfig['probe']>;
/** A model of the catalog, with every default filled in. */
export type ModelConfig = ParsedConfig['models'][string];
/** An access profile, with every default filled in. */
export type ProfileConfig = ParsedConfig['profiles'][string];
/** A project, with every default filled in. */
export type ProjectConfig = ParsedConfig['projects'][string];
/** A route, with every default filled in. */
export type RouteConfig = ParsedConfig['routes'][number];
/** A limit, with every default filled in. */
export type LimitConfig = ParsedConfig['limits'][number];
/** Who may reach what providers store, with every default filled in. */
export type StoredConfig = ParsedConfig['stored'];
/** A price as written: US dollars per million tokens. */
export type PriceConfig = z.output<ReturnType<typeof priceSchema>>;
/** How attempts are made, as far as it is set; see `ForwardingPolicy` for all of it. */
export type ForwardingConfig = z.output<ReturnType<typeof forwardingSchema>>;
/** Where a secret comes from: itself, a variable, a file, a function or the store. */
export type SecretConfig = z.output<ReturnType<typeof secretSchema>>;

/**
 * Gives a configuration its type; changes nothing.
 */
export function defineConfig(config: GatewayConfig): GatewayConfig {
  return config;
}
