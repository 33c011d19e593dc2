import { closeSync, openSync, writeSync } from 'node:fs';

const file = '/dev/cpu_dma_latency';

/**
 * Keeps the processors from sleeping where the kernel allows it (Linux, as root): what waits for a packet then polls. A
 * sleeping virtual processor is given to others, and comes back late and with cold caches, which would be most of the
 * cost of one request. `cyclictest` does the same; see `Documentation/power/pm_qos_interface.rst` of Linux.
 *
 * @returns a function to end it; `undefined` where not allowed
 */
export function keepAwake(): (() => void) | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(file, 'r+');
  } catch {
    return undefined;
  }
  // microseconds that waking up may take, while the file is open
  writeSync(descriptor, new Uint8Array(4));
  return () => closeSync(descriptor);
}
