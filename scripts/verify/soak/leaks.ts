import { readdirSync } from 'node:fs';

/** What a process holds. */
export interface Holdings {
  readonly heapBytes: number;
  /** Open handles and timers, by kind. */
  readonly resources: Readonly<Record<string, number>>;
  /** Open file descriptors; 0 where the system does not tell. */
  readonly descriptors: number;
}

/** What is held now; garbage is collected before, where the process may do that (`--expose-gc`). */
export async function readHoldings(): Promise<Holdings> {
  const collect = globalThis.gc as (() => void) | undefined;
  for (let times = 0; times < 5; times++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    collect?.();
  }
  const resources: Record<string, number> = {};
  for (const name of process.getActiveResourcesInfo()) resources[name] = (resources[name] ?? 0) + 1;
  const { heapUsed, external } = process.memoryUsage();
  return { heapBytes: heapUsed + external, resources, descriptors: countDescriptors() };
}

function countDescriptors(): number {
  return process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0;
}
