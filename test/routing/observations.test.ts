import { createVirtualRuntime } from 'headgate/testing';
import { describe, expect, it } from 'vitest';
import { readHeadroom } from '../../src/routing/headroom.ts';
import { createObservations } from '../../src/routing/observations.ts';

const start = (options?: { maxCandidates: number }) => {
  const runtime = createVirtualRuntime();
  return { runtime, observations: createObservations(runtime, options) };
};

describe('what is seen of a candidate', () => {
  it('counts attempts in flight, each end once', () => {
    const { observations } = start();
    const one = observations.onStart('a');
    const other = observations.onStart('a');
    expect(observations.of('a').inFlight).toBe(2);
    one.onEnd({ ok: true });
    one.onEnd({ ok: true });
    expect(observations.of('a').inFlight).toBe(1);
    other.onEnd({ ok: false });
    expect(observations.of('a').inFlight).toBe(0);
    expect(observations.of('b').inFlight).toBe(0);
  });

  it('keeps the mean time to the first token, recent ones counting more, and the first call of an attempt alone', () => {
    const { runtime, observations } = start();
    expect(observations.of('a').firstTokenMs).toBeUndefined();
    const seen = (ms: number) => {
      const attempt = observations.onStart('a');
      runtime.advance(ms);
      attempt.onFirstToken();
      runtime.advance(10_000);
      attempt.onFirstToken();
      attempt.onEnd({ ok: true });
    };
    seen(100);
    expect(observations.of('a').firstTokenMs).toBe(100);
    seen(200);
    expect(observations.of('a').firstTokenMs).toBe(120);
    for (let round = 0; round < 50; round++) seen(300);
    expect(observations.of('a').firstTokenMs).toBeGreaterThan(299);
  });

  it('takes a failure for a slow answer, however quick it came, unless content had come', () => {
    const { runtime, observations } = start();
    const attempt = observations.onStart('a');
    runtime.advance(1);
    attempt.onEnd({ ok: false });
    expect(observations.of('a').firstTokenMs).toBe(5_000);
    const broken = observations.onStart('b');
    runtime.advance(50);
    broken.onFirstToken();
    broken.onEnd({ ok: false });
    expect(observations.of('b').firstTokenMs).toBe(50);
  });

  it('forgets the least used candidates beyond its bound, and an attempt that outlives them spoils nothing', () => {
    const { observations } = start({ maxCandidates: 2 });
    const attempt = observations.onStart('a');
    observations.onStart('b');
    observations.onStart('c');
    expect(observations.of('a').inFlight).toBe(0);
    observations.onStart('a');
    attempt.onEnd({ ok: true });
    expect(observations.of('a').inFlight).toBe(1);
  });
});

describe('the headroom that a provider tells of', () => {
  const nowMs = Date.UTC(2030, 0, 1);

  it('is the share that is left of the tightest limit, in the spelling of each provider', () => {
    const openai = {
      'x-ratelimit-limit-requests': '100',
      'x-ratelimit-remaining-requests': '90',
      'x-ratelimit-reset-requests': '6s',
      'x-ratelimit-limit-tokens': '1000',
      'x-ratelimit-remaining-tokens': '250',
      'x-ratelimit-reset-tokens': '1m0s',
    };
    const left = readHeadroom(200, openai, nowMs);
    expect(left?.shareAt(nowMs, 0)).toBe(0.25);
    // requests sent since count against what was left of requests
    expect(left?.shareAt(nowMs, 80)).toBeCloseTo(0.1);
    expect(left?.shareAt(nowMs + 30_000, 80)).toBe(0.25);
    expect(left?.shareAt(nowMs + 60_000, 80)).toBe(1);
    const anthropic = {
      'anthropic-ratelimit-input-tokens-limit': '1000',
      'anthropic-ratelimit-input-tokens-remaining': '100',
      'anthropic-ratelimit-input-tokens-reset': '2030-01-01T00:00:10Z',
    };
    expect(readHeadroom(200, anthropic, nowMs)?.shareAt(nowMs, 0)).toBe(0.1);
    expect(readHeadroom(200, anthropic, nowMs)?.shareAt(nowMs + 10_000, 0)).toBe(1);
  });

  it('is nothing for a minute after a 429 that tells no more, and unknown for what cannot be read', () => {
    expect(readHeadroom(429, {}, nowMs)?.shareAt(nowMs + 59_999, 0)).toBe(0);
    expect(readHeadroom(429, {}, nowMs)?.shareAt(nowMs + 60_000, 0)).toBe(1);
    for (const value of ['', '-1', '1e3', 'many', '9'.repeat(16)]) {
      const headers = { 'x-ratelimit-limit-requests': value, 'x-ratelimit-remaining-requests': '0' };
      expect(readHeadroom(200, headers, nowMs)).toBeUndefined();
    }
    const zero = { 'x-ratelimit-limit-requests': '0', 'x-ratelimit-remaining-requests': '0' };
    expect(readHeadroom(200, zero, nowMs)).toBeUndefined();
  });

  it('never lasts longer than a day, and a minute where the end cannot be read', () => {
    const told = (reset: string) => ({
      'x-ratelimit-limit-requests': '10',
      'x-ratelimit-remaining-requests': '0',
      'x-ratelimit-reset-requests': reset,
    });
    for (const [reset, ms] of [
      ['99999h', 86_400_000],
      ['2999-01-01T00:00:00Z', 86_400_000],
      ['soon', 60_000],
      ['1h2', 60_000],
      ['120ms', 120],
      ['30', 30_000],
      [String(nowMs / 1_000 + 20), 20_000],
      [String(nowMs + 20_000), 20_000],
    ] as const) {
      const left = readHeadroom(200, told(reset), nowMs);
      expect([reset, left?.shareAt(nowMs + ms - 1, 0), left?.shareAt(nowMs + ms, 0)]).toEqual([reset, 0, 1]);
    }
  });
});
