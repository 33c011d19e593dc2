import { closeSync, openSync, writeSync } from 'node:fs';

const file = '/dev/cpu_dma_latency';

/**
 * Keeps the processors from sleeping where the kernel lets us (Linux, as root): what waits for a packet then polls. A virtual
 * processor that sleeps is given to others, and comes back later and with cold caches: that would be most of what one
 * request costs. It is what `cyclictest` does too; see `Documentation/power/pm_qos_interface.rst` of Linux.
 *
 * @returns ends it; `undefined` where it is not allowed
 */
export function keepAwake(): (() => void) | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(file, 'r+');
  } catch {
    return undefined;
  }
  // microseconds that waking up may take, for as long as the file is open
  writeSync(descriptor, new Uint8Array(4));
  return () => closeSync(descriptor);
}
