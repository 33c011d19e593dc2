import type { LimitConfig } from '../config/schema.ts';
import { toDurationMs } from './duration.ts';
import {
  createCalendarWindow,
  createFixedWindow,
  createOnceWindow,
  createRollingWindow,
  lifetimeWindow,
  noWindow,
  type Window,
} from './window.ts';

/** The window that a limit is written with; none for `parallel`. */
export function toWindow(config: LimitConfig['window']): Window {
  if (config === undefined) return noWindow;
  if (config === 'lifetime') return lifetimeWindow;
  if (typeof config === 'string') return createFixedWindow(config, toDurationMs(config));
  if ('rolling' in config)
    return createRollingWindow(config.rolling, toDurationMs(config.rolling), config.buckets);
  if ('every' in config) return createCalendarWindow(config);
  return createOnceWindow(config.from, config.until);
}
