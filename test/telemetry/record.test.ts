import { expect, it } from 'vitest';
import { createDraft, noteAttempt } from '../../src/telemetry/record.ts';

it('a record has attempts of its own, although all begin with the same empty list', () => {
  const [one, other] = [createDraft(), createDraft()];
  noteAttempt(one, { target: 'a/m', failure: 'timeout', durationMs: 1 });
  noteAttempt(one, { target: 'b/m', status: 200, durationMs: 2 });
  expect(one.attempts.map(({ target }) => target)).toEqual(['a/m', 'b/m']);
  expect(other.attempts).toEqual([]);
  expect(() => (other.attempts as unknown[]).push('mine')).toThrow(TypeError);
  expect(createDraft().attempts).toEqual([]);
});

it('a draft has a place for every field from the start', () => {
  const draft = createDraft();
  expect(Object.keys(draft)).toContain('rescue');
  draft.status = 200;
  expect(createDraft().status).toBeUndefined();
});
