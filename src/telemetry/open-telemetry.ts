import type { Meter } from '@opentelemetry/api';

type OpenTelemetry = typeof import('@opentelemetry/api');

/** Where every copy of `@opentelemetry/api` 1.x finds what was registered with any of them. */
const globalKey = Symbol.for('opentelemetry.js.api.1');

let loaded: OpenTelemetry | undefined;

/**
 * `@opentelemetry/api`, if a provider of this kind is registered; else undefined. A promise the first time: its fifty
 * files took a sixth of the package's start-up, and most processes register nothing. Whoever has registered something
 * has loaded them already. Also undefined when they cannot be loaded: requests go on without.
 */
export function openTelemetry(
  kind: 'trace' | 'metrics',
): OpenTelemetry | Promise<OpenTelemetry | undefined> | undefined {
  const registered = (globalThis as { [globalKey]?: Readonly<Record<string, unknown>> })[globalKey];
  return registered?.[kind] === undefined ? undefined : (loaded ?? load());
}

async function load(): Promise<OpenTelemetry | undefined> {
  try {
    loaded = await import('@opentelemetry/api');
  } catch {
    // the next call tries again
  }
  return loaded;
}

/** Observes with a meter, if a meter provider is registered by now. @returns what ends it */
export function withMeter(observe: (meter: Meter) => () => void): () => void {
  let end: (() => void) | undefined;
  let isEnded = false;
  const begin = (api: OpenTelemetry | undefined) => {
    if (api && !isEnded) end = observe(api.metrics.getMeter('headgate'));
  };
  const api = openTelemetry('metrics');
  if (api instanceof Promise) void api.then(begin);
  else begin(api);
  return () => {
    isEnded = true;
    end?.();
  };
}
