import { expect, it } from 'vitest';
import type { Client } from '../../scripts/verify/propagation/client.ts';
import { nowMs } from '../../scripts/verify/propagation/clock.ts';
import { runRound, type State } from '../../scripts/verify/propagation/round.ts';

/** Nodes that answer by what a function says of them. */
function toNodes(count: number, stateOf: (node: number) => State) {
  const clients = Array.from({ length: count }, () => ({}) as Client);
  const look = async (client: Client) => {
    const sentAtMs = nowMs();
    return { state: stateOf(clients.indexOf(client)), sentAtMs, receivedAtMs: nowMs(), status: 500 };
  };
  return { clients, look };
}

it('takes as long as the last node', async () => {
  let changedAtMs = Number.POSITIVE_INFINITY;
  const nodes = toNodes(3, (node) => (nowMs() >= changedAtMs + node * 50 ? 'after' : 'before'));
  const told: number[] = [];
  const round = await runRound({
    ...nodes,
    async change() {
      changedAtMs = nowMs();
    },
    onChanged: (completedAtMs) => told.push(completedAtMs),
  });
  expect(round.lastNodeMs).toBeGreaterThanOrEqual(99);
  expect(round.lastNodeMs).toBeLessThan(5_000);
  expect(told).toHaveLength(1);
  expect(round).toMatchObject({ servedAfterBound: 0, setBacks: 0, wrong: [] });
});

it('counts a node that goes back to the state before, and answers that are neither', async () => {
  let isChanged = false;
  let looks = 0;
  const afterwards: readonly State[] = ['after', 'before', 'wrong'];
  const nodes = toNodes(1, () => (isChanged ? (afterwards[looks++] ?? 'after') : 'before'));
  const round = await runRound({
    ...nodes,
    async change() {
      isChanged = true;
    },
  });
  expect(round).toMatchObject({ setBacks: 1, wrong: [500] });
});

it('gives a node up that never follows, and counts what it served after the bound', async () => {
  const nodes = toNodes(2, (node) => (node === 0 && isChanged ? 'after' : 'before'));
  let isChanged = false;
  const round = await runRound({
    ...nodes,
    boundMs: 50,
    giveUpMs: 200,
    async change() {
      isChanged = true;
    },
  });
  expect(round.lastNodeMs).toBe(200);
  expect(round.servedAfterBound).toBeGreaterThan(0);
});
