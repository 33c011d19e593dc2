import { expect, vi } from 'vitest';
import { catalog, upstreamKeys } from './config.ts';
import type { Arrival, Site } from './harness.ts';

type Upstream = Site['upstream'];

/** What a request that was relayed is expected to be. */
export interface Expected {
  readonly operation: string;
  readonly provider: keyof typeof upstreamKeys;
  /** The public name of the model; none where the endpoint has no model. */
  readonly model?: keyof typeof catalog;
  readonly stream?: boolean;
  /** True when the gateway must ask for the usage of a stream, because the client does not. */
  readonly asksForUsage?: boolean;
  /** False where the provider's reply tells no tokens: the record must not tell any either. @default true */
  readonly reportsUsage?: boolean;
  /** The path at the provider. @default the client's, with the model replaced */
  readonly path?: string;
  /** The query at the provider. @default the client's */
  readonly query?: string;
}

/** Fields that the provider must get as the client sent them. */
const keptHeaders = [
  'accept',
  'content-type',
  'user-agent',
  'idempotency-key',
  'anthropic-version',
  'anthropic-beta',
  'openai-beta',
  'x-goog-api-client',
  'traceparent',
];

/** Waits until so many requests have ended and are on record. */
export async function untilEnded(site: Site, count: number): Promise<void> {
  const ended = () => ({ arrivals: site.arrivals.length, records: site.records.length });
  const check = () => expect(ended()).toEqual({ arrivals: count, records: count });
  await vi.waitFor(check, { timeout: 60_000, interval: 5 });
}

/**
 * Checks both sides of requests that were relayed one after the other, and the record of each: the model and nothing
 * else replaced, the credential swapped, the gateway's key nowhere, the client's headers kept, the usage true.
 */
export async function expectRelayed(site: Site, ...expected: readonly Expected[]): Promise<void> {
  await untilEnded(site, expected.length);
  expect(site.upstream.requests).toHaveLength(expected.length);
  for (const [index, want] of expected.entries()) {
    const arrival = site.arrivals[index] as Arrival;
    const sent = site.upstream.requests[index] as Upstream['requests'][number];
    expectRequest(arrival, sent, want);
    expectNoKey(site, sent);
    expectRecord(site, index, want);
  }
}

function upstreamNameOf(model: keyof typeof catalog): string {
  const name: string = catalog[model].targets[0] ?? '';
  return name.includes('/') ? name.slice(name.indexOf('/') + 1) : model;
}

function expectRequest(arrival: Arrival, sent: Upstream['requests'][number], want: Expected): void {
  const { model } = want;
  const to = model && upstreamNameOf(model);
  expect(sent.method).toBe(arrival.method);
  expect(sent.path).toBe(want.path ?? (model ? arrival.path.replace(model, to as string) : arrival.path));
  expect(sent.query).toBe(want.query ?? arrival.query);
  expect(sent.body.toString('latin1')).toBe(toExpectedBody(arrival, want, to));
  for (const name of keptHeaders) expect([name, sent.headers[name]]).toEqual([name, arrival.headers[name]]);
  const credential = upstreamKeys[want.provider];
  const { authorization, 'x-api-key': apiKey, 'x-goog-api-key': googleKey } = sent.headers;
  expect({ authorization, apiKey, googleKey }).toEqual({
    authorization: want.provider === 'openai' ? `Bearer ${credential}` : undefined,
    apiKey: want.provider === 'anthropic' ? credential : undefined,
    googleKey: want.provider === 'gemini' ? credential : undefined,
  });
}

/** The client's bytes with the model's name replaced wherever the protocol has one, and nothing else. */
function toExpectedBody(arrival: Arrival, want: Expected, to: string | undefined): string {
  let body = arrival.body.toString('latin1');
  if (want.model !== undefined && to !== undefined) {
    body = body
      .replaceAll(`"model":"${want.model}"`, `"model":"${to}"`)
      .replaceAll(`"model":"models/${want.model}"`, `"model":"models/${to}"`)
      .replaceAll(`name="model"\r\n\r\n${want.model}\r\n`, `name="model"\r\n\r\n${to}\r\n`);
    const named =
      arrival.path.includes(want.model) || body !== arrival.body.toString('latin1') || to === want.model;
    expect(named, 'the client named the model').toBe(true);
  }
  return want.asksForUsage ? body.replace(/\}$/, ',"stream_options":{"include_usage":true}}') : body;
}

/** Fails when anything of any gateway key reached the provider. */
export function expectNoKey(site: Site, sent: Upstream['requests'][number]): void {
  const everything = [sent.path, sent.query, ...sent.rawHeaders, sent.body.toString('latin1')].join('\n');
  for (const key of Object.values(site.keys)) {
    for (const part of key.split('_').slice(2)) expect(everything).not.toContain(part);
  }
}

function expectRecord(site: Site, index: number, want: Expected): void {
  const record = site.records[index] as Site['records'][number];
  const target = want.model && `${want.provider}/${upstreamNameOf(want.model)}`;
  expect(record).toMatchObject({
    id: site.arrivals[index]?.reply.headers['x-request-id'],
    operation: want.operation,
    outcome: 'complete',
    status: site.arrivals[index]?.reply.status,
    stream: want.stream ?? false,
    team: 'free',
    attempts: [{ target: target === undefined ? expect.any(String) : expect.stringContaining(target) }],
    ...(want.model && { model: want.model, requestedModel: want.model }),
  });
  const entry = site.upstream.tally.find(({ request }) => request === site.upstream.requests[index]);
  if (!entry || want.reportsUsage === false) {
    expect(record.usage, 'usage that the provider did not report').toBeUndefined();
    expect(record.costNanoUsd).toBeNull();
    return;
  }
  expect(entry.complete).toBe(true);
  const { usage } = entry;
  const inputTokens = entry.billedInputTokens;
  const outputTokens = usage.outputTokens + usage.reasoningTokens;
  expect(record.usage?.source).toBe('reported');
  expect({
    inputTokens: record.usage?.inputTokens ?? 0,
    outputTokens: record.usage?.outputTokens ?? 0,
    cached: record.usage?.cachedInputTokens ?? 0,
    reasoning: record.usage?.reasoningTokens ?? 0,
  }).toEqual({ inputTokens, outputTokens, cached: usage.cachedTokens, reasoning: usage.reasoningTokens });
  const isPriced = want.model !== undefined && 'price' in catalog[want.model];
  // one dollar a million tokens is 1,000 nano-dollars a token; nothing of these tests is cached
  if (usage.cachedTokens + usage.cacheWriteTokens + usage.cacheWrite1hTokens === 0) {
    expect(record.costNanoUsd).toBe(isPriced ? inputTokens * 1_000 + outputTokens * 4_000 : null);
  }
}
