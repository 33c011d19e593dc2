import type { PriceConfig } from '../config/schema.ts';
import type { Usage } from '../message.ts';

/** A price in integer nano-USD per thousand tokens: exact for any published price, and no product exceeds 2^53. */
export interface Price {
  readonly input: number;
  readonly output: number;
  readonly cachedInput: number;
  readonly cacheWrite5m: number;
  readonly cacheWrite1h: number;
}

/** US dollars, as a number or a decimal string, in integer nano-USD. */
export function toNanoUsd(dollars: number | string): number {
  return Math.round(Number(dollars) * 1e9);
}

/**
 * Compiles a price per million tokens. Without a rate of its own, cached input costs what input costs, and a cache
 * write 1.25 times (5 minutes) or twice (1 hour) that, as Anthropic publishes: an unknown rate never makes a request
 * free.
 */
export function toPrice(config: PriceConfig): Price {
  const perThousand = (dollars: number | string) => Math.round(Number(dollars) * 1e6);
  const input = perThousand(config.input);
  return {
    input,
    output: perThousand(config.output),
    cachedInput: config.cachedInput === undefined ? input : perThousand(config.cachedInput),
    cacheWrite5m:
      config.cacheWrite5m === undefined ? Math.ceil(input * 1.25) : perThousand(config.cacheWrite5m),
    cacheWrite1h: config.cacheWrite1h === undefined ? input * 2 : perThousand(config.cacheWrite1h),
  };
}

/** What a usage costs in integer nano-USD, rounded up. Unknown counts are taken as 0. */
export function costOf(usage: Usage, price: Price): number {
  const cached = usage.cachedInputTokens ?? 0;
  const write5m = usage.cacheWrite5mTokens ?? 0;
  const write1h = usage.cacheWrite1hTokens ?? 0;
  const plain = Math.max(0, (usage.inputTokens ?? 0) - cached - write5m - write1h);
  return Math.ceil(
    (plain * price.input +
      cached * price.cachedInput +
      write5m * price.cacheWrite5m +
      write1h * price.cacheWrite1h +
      (usage.outputTokens ?? 0) * price.output) /
      1000,
  );
}
