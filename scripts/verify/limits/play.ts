import type { Ledger, ReadScope, ScopeState } from '../../../src/limits/ledger.ts';
import { type Audit, audit } from './audit.ts';
import { clockMs } from './clock.ts';
import { type Entry, type ScopeEntry, toSpan } from './entries.ts';
import type { LoadReport } from './load.ts';
import type { NodeReport } from './messages.ts';
import type { Standstill } from './occupancy.ts';
import { type History, isSurelySettled, toHistory } from './reservations.ts';
import { type Samples, startSampler } from './sampler.ts';
import { sliceLeaseMs, type Timing } from './settings.ts';
import type { Served } from './upstream.ts';

/** A gateway, in a process of its own or not. */
export interface Player {
  onScope: (scope: ScopeEntry) => void;
  kill(): Promise<void>;
  /** Closes it. */
  finish(): Promise<NodeReport>;
  /** What it has written, after its end. */
  journal(): readonly Entry[];
}

/** Who takes part. */
export interface Stage {
  readonly players: readonly Player[];
  /** The ledger as it is seen from outside, not through a gateway. */
  readonly ledger: Ledger;
  readonly isLeasing: boolean;
  /** Whether the ledger can still be read for a window that has ended; one in memory has dropped it. */
  readonly isKept: boolean;
  readonly timing: Timing;
  /** @param beginAtMs when the clients begin, by the wall clock */
  startLoad(beginAtMs: number): Promise<StageLoad>;
  served(): Promise<readonly Served[]>;
  freeze(): Promise<void>;
  thaw(): Promise<void>;
}

/** Clients at work. */
export interface StageLoad {
  /** Resolves when they have done what they are there for; absent where they only go on until they are stopped. */
  readonly done?: Promise<void>;
  stop(): Promise<LoadReport>;
}

/** What happens when, in milliseconds from the beginning of the load. */
export interface Plan {
  /** It goes on at least for so long. */
  readonly loadMs: number;
  /** A gateway is killed at each of these. */
  readonly killsMs: readonly number[];
  /** When the store stands still, and for how long. */
  readonly freeze: { readonly atMs: number; readonly forMs: number } | undefined;
}

/** What became of it. */
export interface Result {
  readonly seconds: number;
  readonly samples: Samples;
  readonly load: LoadReport;
  readonly killed: number;
  readonly frozenMs: number;
  /** Held of all scopes after the last lease and sweep. */
  readonly stillHeld: number;
  readonly places: number;
  /** By what the gateways knew, before what was uncertain was settled; and after. */
  readonly first: Audit;
  readonly resolved: Audit | undefined;
  readonly nodes: readonly NodeReport[];
}

/** Lets the clients loose on the gateways, kills and freezes by plan, and audits when all is over. */
export async function play(stage: Stage, plan: Plan): Promise<Result> {
  const { players, ledger, isLeasing, timing } = stage;
  const { leaseMs, sweepMs } = timing;
  const sampler = startSampler(ledger);
  for (const player of players) player.onScope = (scope) => sampler.add(scope);
  const beginAtMs = toBeginning(Date.now(), timing);
  const load = await stage.startLoad(beginAtMs);
  await pause(beginAtMs - Date.now());
  const startedAtMs = clockMs();
  const killed = new Map<Player, number>();
  let standstill: Standstill | undefined;
  await Promise.all([
    load.done,
    pause(plan.loadMs),
    ...plan.killsMs.map(async (atMs, index) => {
      await pause(atMs);
      const player = players[index] as Player;
      await player.kill();
      killed.set(player, clockMs());
    }),
    (async () => {
      if (!plan.freeze) return;
      await pause(plan.freeze.atMs);
      await stage.freeze();
      const fromMs = clockMs();
      await pause(plan.freeze.forMs);
      await stage.thaw();
      standstill = { fromMs, untilMs: clockMs() };
    })(),
  ]);
  const report = await load.stop();
  const seconds = (clockMs() - startedAtMs) / 1_000;
  const samples = await sampler.stop();
  const living = players.filter((player) => !killed.has(player));
  // slices go back when their gateway ends
  const nodes = isLeasing ? await Promise.all(living.map((player) => player.finish())) : [];
  const read = (): History =>
    toHistory(
      players.map((player) => {
        const killedAtMs = killed.get(player);
        const isKilled = killedAtMs !== undefined;
        const entries = player.journal().filter((entry) => !isKilled || !isPromise(entry, standstill));
        return { entries, killedAtMs };
      }),
    );
  let history = read();
  const waitMs = sweepMs + (isLeasing ? sliceLeaseMs : leaseMs);
  const stillHeld = await waitUntilFree(stage, history, waitMs);
  if (!isLeasing) nodes.push(...(await Promise.all(living.map((player) => player.finish()))));
  history = read();
  const served = await stage.served();
  const evidence = {
    ...{ history, standstill, served, loads: [report], killedNodes: killed.size, timing },
    leasingNodes: isLeasing ? players.length : 0,
  };
  const first = audit({ ...evidence, posted: await readPosted(stage, history), isResolved: false });
  let resolved: Audit | undefined;
  if (!isLeasing) {
    await resolve(ledger, history);
    resolved = audit({ ...evidence, posted: await readPosted(stage, history), isResolved: true });
  }
  return {
    ...{ seconds, samples, load: report, killed: killed.size, stillHeld, first, resolved, nodes },
    frozenMs: standstill ? standstill.untilMs - standstill.fromMs : 0,
    places: history.places.size,
  };
}

/** Some seconds before a window ends, and far enough away to start processes. */
function toBeginning(nowMs: number, { preparingMs, firstEndMs, windowMs }: Timing): number {
  const soonest = nowMs + preparingMs + firstEndMs;
  return soonest + windowMs - (soonest % windowMs) - firstEndMs;
}

/** While the store does not answer, a settlement is put off: a gateway that is killed then never makes it. */
function isPromise(entry: Entry, standstill: Standstill | undefined): boolean {
  return entry.kind === 'settled' && standstill !== undefined && entry.atMs > standstill.fromMs - 1_000;
}

/** What nobody knows the end of is settled once more, by its id: then it counts exactly that. */
async function resolve(ledger: Ledger, { reservations }: History): Promise<void> {
  for (const reservation of reservations) {
    const { id, parts, answer, settle } = reservation;
    const isKnown = isSurelySettled(reservation) || answer?.answer === 'denied' || answer?.answer === 'stale';
    // what was granted and never settled stays as its expiry has charged it
    if (isKnown || (answer?.answer === 'granted' && !settle)) continue;
    await ledger.settle(id, settle?.used ?? parts.map(() => 0));
  }
}

async function waitUntilFree(stage: Stage, history: History, waitMs: number): Promise<number> {
  const endMs = clockMs() + waitMs;
  for (;;) {
    const posted = await readPosted(stage, history);
    const held = [...posted.values()].reduce((sum, state) => sum + state.held, 0);
    if (held === 0 || clockMs() > endMs) return held;
    await pause(100);
  }
}

async function readPosted({ ledger, isKept }: Stage, { places }: History): Promise<Map<string, ScopeState>> {
  const posted = new Map<string, ScopeState>();
  for (const [name, { scope }] of places) {
    const hasEnded = [...places.values()].some(
      (other) => other.scope.key === scope.key && other.scope.span.bucket! > scope.span.bucket!,
    );
    // memory tells the sum of a rolling window, not of each bucket
    if (!isKept && (hasEnded || (scope.span.buckets?.length ?? 1) > 1)) continue;
    const asked: ReadScope = { key: scope.key, amount: scope.amount, span: toSpan(scope) };
    const [state] = await retry(async () => ledger.peek([{ ...asked, span: ofOneBucket(asked.span) }]));
    if (state) posted.set(name, state);
  }
  return posted;
}

function ofOneBucket(span: ReadScope['span']): ReadScope['span'] {
  return { ...span, buckets: [span.bucket] };
}

// a busy machine may miss a deadline
async function retry<Value>(act: () => Promise<Value>): Promise<Value> {
  for (let tries = 1; ; tries++) {
    try {
      return await act();
    } catch (error) {
      if (tries === 20) throw error;
      await pause(100);
    }
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
