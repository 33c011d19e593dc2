import { spawn } from 'node:child_process';

/** Watches over a server. Calling it calls the watch off. */
export interface Watchdog {
  (): void;
  /** Names processes that belong to the server too, as far as they may not end by themselves. */
  include(pids: readonly number[]): void;
}

/** Ends a server and removes its directory when this process dies in whatever way, SIGKILL included. */
export function watchOver(pid: number, directory: string): Watchdog {
  // the pipe of its standard input closes when this process is no more
  const script = `
    members="$1"
    while read line; do
      [ "$line" = off ] && exit
      members="$line"
    done
    for member in $members; do kill -CONT "$member"; done
    kill -QUIT "$1"
    sleep 1
    for member in $members; do kill -KILL "$member"; done
    rm -rf "$2"`;
  const child = spawn('sh', ['-c', script, 'watchdog', String(pid), directory], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  child.unref();
  const input = child.stdin as NodeJS.WritableStream & { unref?: () => void };
  input.unref?.();
  const callOff = () => {
    input.end('off\n');
  };
  return Object.assign(callOff, {
    include(pids: readonly number[]) {
      input.write(`${pids.join(' ')}\n`);
    },
  });
}
