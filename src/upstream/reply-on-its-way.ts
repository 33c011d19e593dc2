import type { RequestRecord } from '../telemetry/record.ts';
import type { Drainer, DrainOptions } from './drain.ts';
import { EventInspector } from './event-inspector.ts';
import type { Forwarding } from './forwarding.ts';
import type { Inspector } from './inspector.ts';
import type { DrainableBody, RelayOptions, Rescuer } from './relay.ts';

/** What belongs to a reply on its way. */
export interface OnItsWay {
  readonly forwarding: Forwarding;
  readonly inspector: Inspector;
  readonly record: { warnings?: RequestRecord['warnings'] };
  readonly rescuer: Rescuer | undefined;
  /** Drains it when its caller leaves; undefined when it ends then. */
  readonly drainer: Drainer | undefined;
  readonly drain: DrainOptions;
}

/**
 * What becomes of a reply that is relayed. A class, because closures would hold what the closures around them hold: in
 * the built package, where functions called once are inlined, that is the whole request, its body too, for as long as a
 * stream lasts.
 */
export class ReplyOnItsWay implements RelayOptions {
  readonly rescuer: Rescuer | undefined;
  readonly #about: OnItsWay;

  constructor(about: OnItsWay) {
    this.rescuer = about.rescuer;
    this.#about = about;
  }

  drain(rest: DrainableBody): boolean {
    const { drainer, drain } = this.#about;
    return drainer?.take(rest, drain) ?? false;
  }

  onEnd(): void {
    const { forwarding, inspector, record } = this.#about;
    forwarding.end();
    const skipped = inspector instanceof EventInspector ? inspector.skipped : 0;
    if (skipped === 0) return;
    record.warnings = [...(record.warnings ?? []), `${skipped} events that could not be read were left out`];
  }
}
