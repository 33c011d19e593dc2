import type { GatewayError } from '../errors.ts';
import type { Interruptible } from './upstream.ts';

/** The running requests that end with their key, by its public id. Empty unless `relay.onRevoke` is `end`. */
export class RunningByKey {
  /** Told the key of every added request. @default nobody */
  onAdd: ((kid: string) => void) | undefined;
  readonly #running = new Map<string, Set<Interruptible>>();

  has(kid: string): boolean {
    return this.#running.has(kid);
  }

  get kids(): readonly string[] {
    return [...this.#running.keys()];
  }

  add(kid: string, request: Interruptible): void {
    const running = this.#running.get(kid);
    if (running) running.add(request);
    else this.#running.set(kid, new Set([request]));
    this.onAdd?.(kid);
  }

  remove(kid: string, request: Interruptible): void {
    const running = this.#running.get(kid);
    if (running?.delete(request) && running.size === 0) this.#running.delete(kid);
  }

  /** Ends a key's requests, each with the error in its caller's dialect. */
  interrupt(kid: string, error: GatewayError): void {
    for (const request of [...(this.#running.get(kid) ?? [])]) request.interrupt(error);
  }
}
