import { expect, it } from 'vitest';
import type { Outcome } from '../src/message.ts';
import { toKnownOutcome, whenEnded } from '../src/outcome.ts';
import { toReply } from '../src/reply.ts';

const ended: Outcome = { kind: 'complete', replyBytes: 2 };

it('what is known to have ended is acted upon at once, and can be awaited too', async () => {
  const seen: Outcome[] = [];
  whenEnded(toKnownOutcome(ended), (outcome) => seen.push(outcome));
  expect(seen).toEqual([ended]);
  expect(await toKnownOutcome(ended)).toEqual(ended);
  whenEnded(toReply(200, {}, 'ok').outcome, (outcome) => seen.push(outcome));
  expect(seen).toEqual([ended, ended]);
});

it('what runs on is acted upon when it has ended', async () => {
  const seen: Outcome[] = [];
  let end: (outcome: Outcome) => void = () => undefined;
  const outcome = new Promise<Outcome>((resolve) => {
    end = resolve;
  });
  whenEnded(outcome, (outcome) => seen.push(outcome));
  expect(seen).toEqual([]);
  end(ended);
  await outcome;
  expect(seen).toEqual([ended]);
});
