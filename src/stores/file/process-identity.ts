import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';

/** Who holds a lock: enough to tell later whether that process is gone. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly host: string;
  /** When the process started, as its system counts; `null` where the system does not tell. */
  readonly started: string | null;
}

/** This process. */
export async function identifyThisProcess(): Promise<ProcessIdentity> {
  return { pid: process.pid, host: hostname(), started: await readStart(process.pid) };
}

/**
 * Whether a process has certainly ended. A process of another host or container is never certainly gone. Where the
 * system tells when processes started, a reused pid is not mistaken for its former owner, as in a container where every
 * process is number 1.
 */
export async function isGone(other: ProcessIdentity): Promise<boolean> {
  if (other.host !== hostname()) return false;
  try {
    process.kill(other.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return true;
  }
  if (other.started === null) return false;
  const started = await readStart(other.pid);
  return started !== null && started !== other.started;
}

/** Clock ticks from boot to the process's start, with the id of that boot; Linux only. */
async function readStart(pid: number): Promise<string | null> {
  try {
    const [stat, boot] = await Promise.all([
      readFile(`/proc/${pid}/stat`, 'utf8'),
      readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
    ]);
    // the name of the program is in parentheses and may contain spaces and parentheses; the 22nd field is the start
    const ticks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    return ticks === undefined ? null : `${boot.trim()}/${ticks}`;
  } catch {
    return null;
  }
}
