import type { Gateway, GatewayRequest } from 'headgate';
import type { Stores } from '../../src/stores/stores.ts';
import { kidOf } from './provisioning.ts';
import { type TrafficKeys, toQuestion } from './traffic.ts';
import type { World } from './world.ts';

/** Prints, serialises and explains everything public of a gateway and its stores. */
export async function lookAt(
  world: World,
  label: string,
  gateway: Gateway & { readonly vault?: unknown; readonly following?: unknown },
  stores: Stores | undefined,
  keys: TrafficKeys,
): Promise<void> {
  const { evidence } = world;
  const { snapshot } = gateway;
  const see = (what: string, value: unknown) =>
    evidence.addObject('inspected objects', `${label}: ${what}`, value);
  see('gateway', gateway);
  see('snapshot', snapshot);
  see('providers', [...snapshot.providers]);
  for (const { credentials } of snapshot.providers.values()) {
    for (const { source } of credentials)
      see('credential', [source, source.current(), { ...source.current() }]);
  }
  see('vault', gateway.vault);
  see('following', gateway.following);
  see('peppers', world.peppers.ring);
  see('records', gateway.records);
  for (const record of gateway.records) evidence.add('records', label, JSON.stringify(record));
  const all = [
    ...Object.values(keys.team),
    ...[keys.revoked, keys.expired, keys.rotated, keys.wrong, keys.malformed, keys.graced],
    ...keys.tokens,
    ...keys.badTokens,
  ];
  for (const key of all) await explain(world, label, gateway, key);
  if (!stores) return;
  see('stores', stores);
  see('key', await stores.keys.findKey(kidOf(keys.team.standard)));
  see('keys', await stores.keys.listKeys({ limit: 100 }));
  see('configuration', await stores.config.readLatest());
  see('secrets', await stores.secrets.listSecrets({ limit: 100 }));
}

/** Has a request of this key explained. */
export async function explain(
  world: World,
  label: string,
  gateway: Pick<Gateway, 'explain'>,
  key: string,
): Promise<void> {
  for (const model of ['gpt-4.1', 'claude-sonnet', 'no-such-model']) {
    const { path, body } = toQuestion(model, false, world);
    const bytes = new TextEncoder().encode(body);
    const request: GatewayRequest = {
      method: 'POST',
      path,
      query: '',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      signal: new AbortController().signal,
      readBody: async () => bytes,
    };
    world.evidence.addObject('explanations', `${label}: ${model}`, await gateway.explain(request));
  }
}
