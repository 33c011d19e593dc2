import { createVirtualRuntime } from 'headgate/testing';
import { expect, it } from 'vitest';
import { LedgerBatches } from '../../src/stores/postgres/postgres-ledger-batches.ts';

it('lets no call wait for less than half of its time because an older one is in its batch', async () => {
  const runtime = createVirtualRuntime();
  const startMs = runtime.monotonicMs();
  // nothing is answered before 650 ms have passed
  const send = (requests: readonly unknown[], deadlineMs: number) =>
    new Promise<readonly string[]>((resolve, reject) => {
      const waitMs = Math.max(0, startMs + 650 - runtime.monotonicMs()) + 2;
      if (waitMs > deadlineMs) runtime.schedule(deadlineMs, () => reject(new Error('late')));
      else runtime.schedule(waitMs, () => resolve(requests.map(() => 'answered')));
    });
  const batches = new LedgerBatches({
    ...{ runtime, what: 'reserve', deadlineMs: 500, send },
    ...{ maxBatch: 100, maxInFlight: 2, maxWaiting: 1_000 },
  });
  const ends: { askedMs: number; end: string; ms: number }[] = [];
  for (let askedMs = 0; askedMs < 900; askedMs += 50) {
    const note = (end: string) => {
      ends.push({ askedMs, end, ms: runtime.monotonicMs() - startMs - askedMs });
    };
    batches.ask({ id: `r${askedMs}` }).then(note, (error: Error) => note(error.message));
    await runtime.advanceAsync(50);
  }
  await runtime.advanceAsync(1_000);
  expect(ends).toHaveLength(18);
  for (const { askedMs, end, ms } of ends) {
    expect(ms, `asked at ${askedMs}`).toBeLessThanOrEqual(500);
    if (end !== 'answered') expect(ms, `asked at ${askedMs}`).toBeGreaterThanOrEqual(250);
    if (askedMs >= 250) expect(end, `asked at ${askedMs}`).toBe('answered');
  }
});

it('fails what waited too long for its turn, and sends what came after it with the same id', async () => {
  const runtime = createVirtualRuntime();
  const sent: string[][] = [];
  let answer = (): void => undefined;
  const batches = new LedgerBatches({
    ...{ runtime, what: 'reserve', deadlineMs: 500 },
    ...{ maxBatch: 100, maxInFlight: 1, maxWaiting: 1_000 },
    send: (requests: readonly { id: string }[]) => {
      sent.push(requests.map(({ id }) => id));
      return new Promise<readonly string[]>((resolve) => {
        answer = () => resolve(requests.map(() => 'answered'));
      });
    },
  });
  const asked = [batches.ask({ id: 'first' })];
  await runtime.advanceAsync(1);
  asked.push(batches.ask({ id: 'again' }));
  const ended = Promise.allSettled(asked);
  await runtime.advanceAsync(500);
  const again = batches.ask({ id: 'again' });
  answer();
  await runtime.advanceAsync(1);
  expect(sent).toEqual([['first'], ['again']]);
  answer();
  expect(await again).toBe('answered');
  expect(await ended).toMatchObject([{ status: 'fulfilled' }, { reason: { code: 'ETIMEDOUT' } }]);
});
