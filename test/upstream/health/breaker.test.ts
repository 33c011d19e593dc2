import { describe, expect, it } from 'vitest';
import { Breaker } from '../../../src/upstream/health/breaker.ts';

const options = {
  errorThresholdPercentage: 50,
  volumeThreshold: 10,
  resetTimeoutMs: 30_000,
  maxEjectionMs: 100_000,
};

const create = (random = () => 0) => new Breaker(options, random);
const fail = (breaker: Breaker, times: number, nowMs = 0) => {
  for (let turn = 0; turn < times; turn++) breaker.failed(nowMs, false);
};

describe('a breaker', () => {
  it('stays closed below its volume, and opens when more than its share failed', () => {
    const breaker = create();
    for (let turn = 0; turn < 4; turn++) breaker.succeeded(0, false);
    fail(breaker, 4);
    expect(breaker.isClosed).toBe(true);
    fail(breaker, 2);
    expect(breaker.isClosed).toBe(false);
  });

  it('does not open at exactly its share', () => {
    const breaker = create();
    for (let turn = 0; turn < 100; turn++) {
      breaker.succeeded(turn, false);
      breaker.failed(turn, false);
    }
    expect(breaker.isClosed).toBe(true);
  });

  it('opens after as many failures in a row as its volume, however much had worked before', () => {
    const breaker = create();
    for (let turn = 0; turn < 1_000; turn++) breaker.succeeded(0, false);
    fail(breaker, 9);
    expect(breaker.isClosed).toBe(true);
    fail(breaker, 1);
    expect(breaker.isClosed).toBe(false);
  });

  it('forgets what is older than its window', () => {
    const breaker = create();
    fail(breaker, 5);
    breaker.succeeded(100, false);
    breaker.failed(20_000, false);
    fail(breaker, 3, 20_000);
    for (let turn = 0; turn < 6; turn++) breaker.succeeded(20_000, false);
    expect(breaker.isClosed).toBe(true);
  });

  it('counts what worked before it failed for the first time, and again after a window without failures', () => {
    const breaker = create();
    const failMostly = (nowMs: number) => {
      fail(breaker, 9, nowMs);
      breaker.succeeded(nowMs, false);
      fail(breaker, 5, nowMs);
    };
    const succeed = (times: number, nowMs: number) => {
      for (let turn = 0; turn < times; turn++) breaker.succeeded(nowMs, false);
    };
    succeed(20, 0);
    failMostly(5_000);
    expect(breaker.isClosed).toBe(true);
    succeed(20, 16_000);
    failMostly(22_000);
    expect(breaker.isClosed).toBe(true);
    succeed(1, 34_000);
    failMostly(54_000);
    expect(breaker.isClosed).toBe(false);
  });

  it('lets one probe through when its time is over, and closes when it works', () => {
    const breaker = create();
    fail(breaker, 10);
    expect(breaker.mayProbe(29_999)).toBe(false);
    expect(breaker.stateAt(30_000)).toBe('half-open');
    expect(breaker.mayProbe(30_000)).toBe(true);
    breaker.beginProbe();
    expect(breaker.mayProbe(30_000)).toBe(false);
    // what began before it opened says nothing
    breaker.succeeded(30_001, false);
    expect(breaker.isClosed).toBe(false);
    breaker.succeeded(30_002, true);
    expect(breaker.isClosed).toBe(true);
    fail(breaker, 9, 30_003);
    expect(breaker.isClosed).toBe(true);
  });

  it('stays open for longer each time in a row, up to its bound, and forgets one for each time that it stays closed', () => {
    const breaker = create();
    fail(breaker, 10);
    let nowMs = 0;
    for (const expected of [60_000, 90_000, 100_000, 100_000]) {
      nowMs += breaker.waitMs(nowMs);
      breaker.beginProbe();
      breaker.failed(nowMs, true);
      expect(breaker.waitMs(nowMs)).toBe(expected);
    }
    nowMs += breaker.waitMs(nowMs);
    breaker.beginProbe();
    breaker.succeeded(nowMs, true);
    // five times in a row
    nowMs += 3 * options.resetTimeoutMs;
    fail(breaker, 10, nowMs);
    expect(breaker.waitMs(nowMs)).toBe(90_000);
    nowMs += breaker.waitMs(nowMs);
    breaker.beginProbe();
    breaker.succeeded(nowMs, true);
    nowMs += 100 * options.resetTimeoutMs;
    fail(breaker, 10, nowMs);
    expect(breaker.waitMs(nowMs)).toBe(30_000);
  });

  it('counts a reply that breaks on its way as failed, and not as one that succeeded before', () => {
    const breaker = create();
    for (let turn = 0; turn < 20 && breaker.isClosed; turn++) {
      breaker.succeeded(turn, false);
      breaker.broke(turn, false);
    }
    expect(breaker.isClosed).toBe(false);
  });

  it('opens again when the reply that closed it breaks', () => {
    const breaker = create();
    fail(breaker, 10);
    breaker.beginProbe();
    breaker.succeeded(30_000, true);
    expect(breaker.isClosed).toBe(true);
    breaker.broke(30_100, true);
    expect([breaker.isClosed, breaker.waitMs(30_100)]).toEqual([false, 60_000]);
  });

  it('takes a reply that closed it for one of many when it breaks much later', () => {
    const breaker = create();
    fail(breaker, 10);
    breaker.beginProbe();
    breaker.succeeded(30_000, true);
    for (let nowMs = 30_000; nowMs < 45_000; nowMs += 100) breaker.succeeded(nowMs, false);
    breaker.broke(45_000, true);
    expect(breaker.isClosed).toBe(true);
  });

  it('lets the next one try when a probe ended without saying anything', () => {
    const breaker = create();
    fail(breaker, 10);
    breaker.beginProbe();
    breaker.endProbe();
    expect(breaker.mayProbe(30_000)).toBe(true);
  });

  it('spreads when it is probed, never later than said', () => {
    const waits = [0, 0.5, 0.999].map((random) => {
      const breaker = create(() => random);
      fail(breaker, 10);
      return breaker.waitMs(0);
    });
    expect(waits).toEqual([30_000, 27_000, expect.closeTo(24_006)]);
  });

  it('is dead when nothing worked, and not while something does now and then', () => {
    const dead = create();
    fail(dead, 10);
    expect(dead.isDead).toBe(true);
    const flapping = create();
    for (let turn = 0; turn < 4; turn++) flapping.succeeded(0, false);
    fail(flapping, 6);
    expect([flapping.isClosed, flapping.isDead]).toEqual([false, false]);
    fail(flapping, 14);
    expect(flapping.isDead).toBe(true);
  });
});
