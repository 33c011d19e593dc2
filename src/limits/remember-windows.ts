import type { LimitConfig } from '../config/schema.ts';
import { toWindow } from './to-window.ts';
import type { Window } from './window.ts';

/** Makes the window of a limit as written. */
export type WindowOf = (config: LimitConfig['window']) => Window;

/**
 * Limits written with the same window share one: if a thousand profiles say `1m`, its span is made once, not a thousand
 * times, and is at hand for every request.
 */
export function rememberWindows(): WindowOf {
  const known = new Map<string, Window>();
  return (config) => {
    const text = JSON.stringify(config) ?? '';
    let window = known.get(text);
    if (!window) {
      window = toWindow(config);
      known.set(text, window);
    }
    return window;
  };
}
