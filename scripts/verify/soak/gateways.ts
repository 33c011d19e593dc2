import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { findFreePort } from '../faults/places.ts';
import type { FromGateway, GatewayReport, GatewayStart, ToGateway } from './gateway-messages.ts';
import type { Holdings } from './leaks.ts';

const program = fileURLToPath(new URL('./gateway-process.ts', import.meta.url));
const loader = fileURLToPath(new URL('../propagation/source-loader.ts', import.meta.url));

/** How long one that is killed lives: so long at the least, and up to so much longer. */
const livesMs = 4_000;
const livesLongerMs = 4_000;

/** Two gateways over one ledger: the first one lasts, the second is killed again and again. */
export interface Gateways {
  readonly urls: readonly [lasting: string, mortal: string];
  readonly kills: number;
  /** Processes that ended by themselves, and what they wrote before. */
  readonly crashes: readonly string[];
  /** Whether the gateway at this place was killed, or down, between two instants. */
  wasDown(place: number, fromMs: number, untilMs: number): boolean;
  /** What the one that lasts holds now. */
  measure(): Promise<Holdings>;
  /** Kills nobody any more, and lets whoever lives close in good order; the first one first. */
  finish(): Promise<readonly GatewayReport[]>;
}

/** Starts both. */
export async function startGateways(
  start: Omit<GatewayStart, 'port'>,
  random: () => number,
): Promise<Gateways> {
  const ports = [await findFreePort(), await findFreePort()] as const;
  const deaths: { readonly fromMs: number; untilMs: number }[] = [];
  const crashes: string[] = [];
  let isOver = false;
  let wake: () => void = () => undefined;

  const begin = async (port: number): Promise<ChildProcess> => {
    const child = fork(program, [], {
      execArgv: ['--expose-gc', '--import', loader],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      serialization: 'advanced',
    });
    let written = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      written = (written + chunk).slice(-2_000);
    });
    child.once('exit', (code, signal) => {
      if (signal !== 'SIGKILL' && !isOver) crashes.push(`ended with ${code ?? signal}: ${written}`);
    });
    child.send({ type: 'start', start: { ...start, port } } satisfies ToGateway);
    await toldBy(child, 'ready');
    return child;
  };
  const lasting = await begin(ports[0]);
  let mortal = await begin(ports[1]);

  const live = async (): Promise<void> => {
    for (;;) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, livesMs + random() * livesLongerMs);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      if (isOver) return;
      const death = { fromMs: performance.now(), untilMs: Number.POSITIVE_INFINITY };
      deaths.push(death);
      const gone = once(mortal, 'exit');
      mortal.kill('SIGKILL');
      await gone;
      mortal = await begin(ports[1]);
      death.untilMs = performance.now();
    }
  };
  const life = live();

  const finish = async (child: ChildProcess): Promise<GatewayReport> => {
    const told = toldBy(child, 'finished');
    child.send({ type: 'finish' } satisfies ToGateway);
    const { report } = await told;
    child.disconnect();
    return report;
  };
  return {
    urls: [`http://127.0.0.1:${ports[0]}`, `http://127.0.0.1:${ports[1]}`],
    get kills() {
      return deaths.length;
    },
    crashes,
    wasDown: (place, fromMs, untilMs) =>
      place === 1 && deaths.some((death) => death.fromMs <= untilMs && death.untilMs >= fromMs),
    async measure() {
      const told = toldBy(lasting, 'measured');
      lasting.send({ type: 'measure' } satisfies ToGateway);
      return (await told).holdings;
    },
    async finish() {
      isOver = true;
      wake();
      await life;
      return [await finish(lasting), await finish(mortal)];
    },
  };
}

function toldBy<Type extends FromGateway['type']>(
  child: ChildProcess,
  type: Type,
): Promise<Extract<FromGateway, { type: Type }>> {
  return new Promise((resolve, reject) => {
    const stop = () => void child.off('message', onMessage).off('exit', onExit);
    const onMessage = (message: FromGateway) => {
      if (message.type !== type) return;
      stop();
      resolve(message as Extract<FromGateway, { type: Type }>);
    };
    const onExit = () => {
      stop();
      reject(new Error(`A gateway ended before it was "${type}".`));
    };
    child.on('message', onMessage).on('exit', onExit);
  });
}
