import { blackhole } from './blackhole.ts';
import { allDown, flapping, halfOpenHerd } from './breakers.ts';
import { informationalFlood, overrun, poison } from './connections.ts';
import { nextCredential, noMoney } from './credentials.ts';
import { closedOutput, drain, fullDisk, noDescriptors, secondSignal } from './ending.ts';
import { reload, throwingHooks } from './hooks.ts';
import { doubleMount, hostCloses, hostThrows } from './host.ts';
import { blockedLoop, hotKey } from './load.ts';
import { manyStreams, million } from './memory.ts';
import { dns, rebinding, redirects } from './names.ts';
import type { Scenario } from './scenario.ts';
import { coolDown, rateLimitHealth, retryAfterForms } from './waiting.ts';
import { largerWindow } from './windows.ts';

/** What is not one request and one answer, by name. */
export const scenarios: Readonly<Record<string, Scenario>> = {
  blackhole,
  dns,
  redirects,
  rebinding,
  'rate-limit-health': rateLimitHealth,
  'cool-down': coolDown,
  'retry-after-forms': retryAfterForms,
  'no-money': noMoney,
  'next-credential': nextCredential,
  'all-down': allDown,
  'half-open-herd': halfOpenHerd,
  flapping,
  'informational-flood': informationalFlood,
  poison,
  overrun,
  drain,
  'second-signal': secondSignal,
  'host-closes': hostCloses,
  'host-throws': hostThrows,
  'double-mount': doubleMount,
  'blocked-loop': blockedLoop,
  'no-descriptors': noDescriptors,
  'full-disk': fullDisk,
  'closed-output': closedOutput,
  reload,
  'hot-key': hotKey,
  million,
  'many-streams': manyStreams,
  'larger-window': largerWindow,
  'throwing-hooks': throwingHooks,
};
