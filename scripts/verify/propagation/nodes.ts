import { randomBytes } from 'node:crypto';
import { type BackendName, backends } from './backends.ts';
import { type ChangeKind, createChanges } from './changes.ts';
import { type Child, startChild } from './children.ts';
import { createClient } from './client.ts';
import { nowMs, pause } from './clock.ts';
import { toRing } from './key-ring.ts';
import type { LoadReport } from './messages.ts';
import { startNotificationFilter } from './notification-filter.ts';
import type { Options } from './options.ts';
import type { Round } from './round.ts';
import { boundMs, nodeCount } from './settings.ts';
import { createSite, steadyModel } from './site.ts';
import type { Undo } from './undo.ts';

/** Whether the store's notifications arrive. */
export type Mode = 'push' | 'push cut';

/** What the nodes over one backend did. */
export interface NodesReport {
  readonly rounds: Readonly<Record<Mode, Readonly<Record<ChangeKind, readonly Round[]>>>>;
  readonly load: LoadReport;
  /** Notifications that arrived before they were cut, and that were lost afterwards. */
  readonly delivered: number;
  readonly lost: number;
}

const warmUpMs = 2_000;
/** Changes fall anywhere between two polls. */
const jitterMs = 1_000;
/** No round is begun later than this after the first one, unless there are too few. */
const budgets: Readonly<Record<Mode, { readonly ms: number; readonly minRounds: number }>> = {
  push: { ms: 45_000, minRounds: 30 },
  'push cut': { ms: 22_000, minRounds: 6 },
};

/** Runs gateways over one backend under load, changes things, and measures until the last one has followed. */
export async function measureNodes(
  backend: BackendName,
  options: Options,
  undo: Undo,
  progress: (text: string) => void,
): Promise<NodesReport> {
  const { framing, startServer, openStores } = backends[backend];
  const server = undo.keep(await startServer(), (it) => it.stop());
  const filter = undo.keep(await startNotificationFilter(server.url, framing), (it) => it.close());
  const start = async (file: string, message: Parameters<typeof startChild>[1]): Promise<Child> =>
    undo.keep(await startChild(file, message), (it) => it.stop());
  const upstream = await start('upstream.ts', { type: 'start' });
  const stores = undo.keep(openStores(server.url), (it) => it.close());
  const secretKey = randomBytes(32).toString('base64');
  const site = await createSite(stores, toRing(secretKey), upstream.url);
  const { key } = await site.createKey();

  const startNode = () =>
    start('gateway-node.ts', { type: 'start', backend, storeUrl: filter.url, secretKey });
  const nodes: Child[] = [];
  while (nodes.length < nodeCount) nodes.push(await startNode());
  const nodeUrls = nodes.map(({ url }) => url);
  const clients = nodeUrls.map((url) => undo.keep(createClient(url), (it) => it.close()));
  const { rate } = options;
  const load = await start('load.ts', { type: 'start', nodeUrls, key, model: steadyModel, rate, boundMs });
  await pause(warmUpMs);

  const rounds: Record<Mode, Record<ChangeKind, Round[]>> = { push: toEmpty(), 'push cut': toEmpty() };
  let mode: Mode = 'push';
  const changes = createChanges(site, clients, load, key, (kind, round) => rounds[mode][kind].push(round));
  progress(`${backend}: ${options.rounds} rounds of every change`);
  await repeat(mode, options.rounds, async () => {
    await changes.revokeKey();
    await changes.addAndRemoveModel();
    await changes.rotateKey();
    await changes.rotateSecret();
  });
  const { delivered } = filter;
  filter.mute();
  mode = 'push cut';
  progress(`${backend}: ${options.cutRounds} rounds of every change without notifications`);
  await repeat(mode, options.cutRounds, async () => {
    const jitter = () => pause(Math.random() * jitterMs);
    await Promise.all([
      jitter().then(changes.revokeKey),
      jitter().then(changes.addAndRemoveModel),
      jitter().then(changes.rotateKey),
      jitter().then(changes.rotateSecret),
    ]);
  });
  // so that the load is still asking when the bound of the last change is over
  await pause(boundMs + 500);
  const report = load.next<LoadReport>('report');
  load.send({ type: 'report' });
  return { rounds, load: await report, delivered, lost: filter.lost };
}

async function repeat(mode: Mode, rounds: number, act: () => Promise<void>): Promise<void> {
  const { ms, minRounds } = budgets[mode];
  const endMs = nowMs() + ms;
  for (let round = 0; round < rounds && (round < minRounds || nowMs() < endMs); round++) await act();
}

function toEmpty(): Record<ChangeKind, Round[]> {
  return {
    'key revoked': [],
    'model added': [],
    'model removed': [],
    'key rotated': [],
    'provider secret rotated': [],
  };
}
