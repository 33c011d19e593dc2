import { receiveStart, sayReady } from './child-process.ts';
import { type Answer, type Client, createClient, isKeyRefusal } from './client.ts';
import { nowMs } from './clock.ts';
import type { Ended, LoadMessage, LoadReport, StartLoad } from './messages.ts';
import { percentile } from './statistics.ts';

const tickMs = 5;
const maxUnderWay = 1_000;
/** One request of so many is made with something that has ended. */
const endedShare = 5;
const maxEnded = 2_000;
const newest = 3;
const maxLatencies = 200_000;
/** Before this the nodes are still cold. */
const warmUpMs = 2_000;

const { nodeUrls, key, model, rate, boundMs } = await receiveStart<StartLoad>();
const startedAtMs = nowMs();
const ended: Ended[] = [];
const rotations: { readonly number: number; readonly completedAtMs: number }[] = [];
const latencies: number[] = [];
const failures: Record<string, number> = {};
const unexpected: Record<string, number> = {};
let goodAsked = 0;
let endedAsked = 0;
let staleServed = 0;
let servedAfterBound = 0;
let latestStaleMs = 0;
let skipped = 0;
let turn = 0;

function noteStale(lateMs: number): void {
  if (lateMs <= 0) return;
  staleServed++;
  latestStaleMs = Math.max(latestStaleMs, lateMs);
  if (lateMs > boundMs) servedAfterBound++;
}

function noteGood({ status, secretNumber, sentAtMs, receivedAtMs }: Answer): void {
  goodAsked++;
  if (status !== 200) {
    failures[status] = (failures[status] ?? 0) + 1;
    return;
  }
  const isWarm = sentAtMs > startedAtMs + warmUpMs;
  if (isWarm && latencies.length < maxLatencies) latencies.push(receivedAtMs - sentAtMs);
  // the first rotation beyond the secret that was used is the one that was missed
  const missed = rotations.find(({ number }) => number > (secretNumber ?? -1));
  if (missed) noteStale(sentAtMs - missed.completedAtMs);
}

function noteEnded(what: Ended, { status, sentAtMs }: Answer): void {
  endedAsked++;
  if (status === 200) noteStale(sentAtMs - what.completedAtMs);
  else if (!(what.model === undefined ? isKeyRefusal(status) : status === 404)) {
    unexpected[status] = (unexpected[status] ?? 0) + 1;
  }
}

/** Every other time one of the newest, which some node may not know of yet; else any. */
function pickEnded(): Ended | undefined {
  const among = Math.random() < 0.5 ? Math.min(ended.length, newest) : ended.length;
  return ended[ended.length - 1 - Math.floor(Math.random() * among)];
}

async function sendOne(client: Client): Promise<void> {
  turn++;
  const what = turn % endedShare === 0 ? pickEnded() : undefined;
  const answer = await client.ask(what?.key ?? key, what?.model ?? model);
  if (what) noteEnded(what, answer);
  else noteGood(answer);
}

for (const url of nodeUrls) {
  const client = createClient(url);
  let sent = 0;
  let underWay = 0;
  setInterval(() => {
    const due = Math.floor(((nowMs() - startedAtMs) * rate) / 1_000);
    for (; sent < due; sent++) {
      if (underWay >= maxUnderWay) {
        skipped++;
        continue;
      }
      underWay++;
      void sendOne(client).finally(() => {
        underWay--;
      });
    }
  }, tickMs);
}

process.on('message', (message: LoadMessage) => {
  if (message.type === 'ended') {
    ended.push(message.ended);
    if (ended.length > maxEnded) ended.shift();
  } else if (message.type === 'rotated') {
    rotations.push(message);
  } else {
    const report: LoadReport = {
      type: 'report',
      seconds: (nowMs() - startedAtMs) / 1_000,
      good: goodAsked,
      failures,
      ended: endedAsked,
      unexpected,
      staleServed,
      servedAfterBound,
      latestStaleMs,
      skipped,
      p50Ms: percentile(latencies, 50),
      p99Ms: percentile(latencies, 99),
    };
    process.send?.(report);
  }
});
sayReady('');
