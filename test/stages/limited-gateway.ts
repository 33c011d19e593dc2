import { createMemoryLedger, type GatewayConfig, type Ledger } from 'headgate';
import { runtime } from '../harness.ts';

export type Limits = NonNullable<GatewayConfig['limits']>;

export const anthropic = { headers: { 'anthropic-version': '2023-06-01' } };
export const message = (more: object = {}) => ({
  model: 'claude-sonnet',
  max_tokens: 20,
  messages: [{ role: 'user', content: 'hello' }],
  ...more,
});
export const gemini = {
  contents: [{ parts: [{ text: 'hello' }] }],
  generationConfig: { maxOutputTokens: 20 },
};

/** Prices for all models, so that usd limits compile. */
export const priced = (config: GatewayConfig): GatewayConfig => ({
  ...config,
  models: Object.fromEntries(
    Object.entries(config.models).map(([name, model]) => [
      name,
      { ...model, price: { input: 2, output: 8 } },
    ]),
  ),
});

/** Limits on the profile of the only team, and prices. */
export const limited =
  (...limits: Limits) =>
  (config: GatewayConfig): GatewayConfig => ({
    ...priced(config),
    profiles: { standard: { limits } },
  });

/** A ledger that tells what it was asked, and can be read for everything that is still held. */
export function createWatchedLedger(inner: Ledger = createMemoryLedger(runtime)) {
  const settled: Record<string, number>[] = [];
  const keys = new Map<string, readonly string[]>();
  const open = new Set<string>();
  const ledger: Ledger = {
    nowMs: () => inner.nowMs(),
    renew: (id, leaseMs, charges) => inner.renew(id, leaseMs, charges),
    peek: (scopes) => inner.peek(scopes),
    async reserve(id, scopes, leaseMs) {
      const result = await inner.reserve(id, scopes, leaseMs);
      // the gateway's own place in the ledger
      if (result.kind === 'granted' && !id.startsWith('node/')) {
        open.add(id);
        keys.set(
          id,
          scopes.map(({ key }) => key),
        );
      }
      return result;
    },
    async settle(id, used) {
      settled.push(Object.fromEntries((keys.get(id) ?? []).map((key, index) => [key, used[index] ?? 0])));
      await inner.settle(id, used);
      open.delete(id);
    },
  };
  return { ledger, settled, open };
}

export const onlyValue = (record: Record<string, number> | undefined) => Object.values(record ?? {})[0];
