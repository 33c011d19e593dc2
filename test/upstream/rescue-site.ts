import Anthropic from '@anthropic-ai/sdk';
import { createGateway, type GatewayConfig, type RequestRecord } from 'headgate';
import OpenAI from 'openai';
import { onTestFinished } from 'vitest';
import { makeKey } from '../harness.ts';
import { createScriptedEgress, type ScriptedStream } from './scripted-egress.ts';

/** What a rescue is tested with. */
export interface RescueSite {
  /** What the providers say, the first first. The one behind the last is never asked. */
  readonly answers: readonly ((body: string) => ScriptedStream)[];
  readonly rescue: readonly ('continue' | 'restart')[];
  /** @default 'openai' */
  readonly type?: 'openai' | 'anthropic';
}

/** A gateway in front of providers that say what they are told to, and the official clients in front of it. */
export function startRescueSite({ answers, rescue, type = 'openai' }: RescueSite) {
  const egress = createScriptedEgress(({ origin, body }) => {
    const answer = answers[Number(/\d+/.exec(origin)?.[0])];
    if (!answer) throw new Error(`nobody answers at ${origin}`);
    return answer(Buffer.from(body ?? []).toString());
  });
  const records: RequestRecord[] = [];
  let wake: () => void = () => undefined;
  const { key, record } = makeKey('payments');
  const names = answers.map((_, index) => `place${index}`);
  const providers: Record<string, GatewayConfig['providers'][string]> = {};
  for (const name of names)
    providers[name] = {
      type,
      apiKey: 'sk',
      baseUrl: `https://${name}.test${type === 'openai' ? '/v1' : ''}`,
    };
  const gateway = createGateway(
    {
      providers,
      models: { model: { targets: names.map((provider) => ({ provider, continues: true })) } },
      profiles: { standard: {} },
      teams: { payments: { profile: 'standard' } },
      keys: [record],
      // the same provider breaks again and again, and is to be asked all the same
      retry: { minBackoffMs: 1, maxBackoffMs: 2, budget: { ratio: 1, floor: 1_000_000, windowMs: 60_000 } },
      breaker: { volumeThreshold: 1_000_000 },
      forwarding: { rescue },
    },
    {
      egress,
      sink(record) {
        records.push(record);
        wake();
      },
    },
  );
  onTestFinished(() => gateway.close({ drainMs: 1 }));
  const fetch = (input: unknown, init: unknown) =>
    gateway.fetch(new Request(input as string, init as RequestInit));
  const common = { apiKey: key, maxRetries: 0, fetch };
  return {
    records,
    /** Waits until so many requests have their record. */
    async recorded(count: number): Promise<void> {
      while (records.length < count) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
    egress,
    openai: new OpenAI({ ...common, baseURL: 'http://gateway.test/v1' }),
    anthropic: new Anthropic({ ...common, baseURL: 'http://gateway.test' }),
  };
}

/** Where a stream may be cut: behind each event and within it, or at every byte. */
export function cutsOf(events: readonly string[], everyByte: boolean): number[] {
  const cuts: number[] = [];
  let at = 0;
  for (const event of events) {
    const { length } = Buffer.from(event);
    for (const inner of everyByte ? Array.from({ length }, (_, index) => index) : [1, length - 1])
      cuts.push(at + inner);
    at += length;
  }
  return cuts;
}
