import { describe, expect, it } from 'vitest';
import { createVirtualRuntime } from '../../src/testing/virtual-runtime.ts';

describe('createVirtualRuntime', () => {
  it('fires actions in order of time, then of scheduling, each at its own instant', () => {
    const runtime = createVirtualRuntime({ now: 1_000 });
    const fired: string[] = [];
    const note = (name: string) => () => fired.push(`${name}@${runtime.monotonicMs()}/${runtime.now()}`);
    runtime.schedule(20, note('c'));
    runtime.schedule(10, note('a'));
    runtime.schedule(10, note('b'));
    runtime.schedule(31, note('late'));
    runtime.advance(30);
    expect(fired).toEqual(['a@10/1010', 'b@10/1010', 'c@20/1020']);
    expect(runtime.monotonicMs()).toBe(30);
    expect(runtime.pending).toBe(1);
  });

  it('fires what an action schedules when that is due as well', () => {
    const runtime = createVirtualRuntime();
    const at: number[] = [];
    const repeat = () => {
      at.push(runtime.monotonicMs());
      runtime.schedule(10, repeat);
    };
    runtime.schedule(10, repeat);
    runtime.advance(35);
    expect(at).toEqual([10, 20, 30]);
  });

  it('gives up on an action that schedules itself without end', () => {
    const runtime = createVirtualRuntime({ maxActions: 50 });
    const repeat = () => void runtime.schedule(0, repeat);
    repeat();
    expect(() => runtime.advance(1)).toThrow('More than 50 actions');
  });

  it('does not fire what was cancelled', () => {
    const runtime = createVirtualRuntime();
    let fired = 0;
    const cancel = runtime.schedule(10, () => fired++);
    cancel();
    cancel();
    runtime.advance(100);
    expect(fired).toBe(0);
    expect(runtime.pending).toBe(0);
  });

  it('lets promises react between actions when advanced asynchronously', async () => {
    const runtime = createVirtualRuntime();
    const seen: string[] = [];
    const wait = (ms: number) => new Promise<void>((resolve) => runtime.schedule(ms, resolve));
    const work = async () => {
      await wait(10);
      seen.push(`first@${runtime.monotonicMs()}`);
      await wait(10);
      seen.push(`second@${runtime.monotonicMs()}`);
    };
    void work();
    await runtime.advanceAsync(100);
    expect(seen).toEqual(['first@10', 'second@20']);
    expect(runtime.monotonicMs()).toBe(100);
  });

  it('moves the wall clock alone', () => {
    const runtime = createVirtualRuntime({ now: 5_000 });
    runtime.shiftClock(-4_000);
    expect([runtime.now(), runtime.monotonicMs()]).toEqual([1_000, 0]);
    runtime.advance(10);
    expect([runtime.now(), runtime.monotonicMs()]).toEqual([1_010, 10]);
  });

  it('gives the same randomness and ids for the same seed, and other randomness for another', () => {
    const draw = (seed: number) => {
      const runtime = createVirtualRuntime({ seed });
      return {
        random: [runtime.random(), runtime.random()],
        bytes: [...runtime.randomBytes(40)],
        ids: [runtime.newId(), runtime.newId()],
      };
    };
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1).random).not.toEqual(draw(2).random);
    expect(draw(1).bytes).not.toEqual(draw(2).bytes);
    expect(new Set(draw(1).ids).size).toBe(2);
  });

  it('draws numbers that are spread over [0, 1)', () => {
    const runtime = createVirtualRuntime();
    const numbers = Array.from({ length: 10_000 }, () => runtime.random());
    expect(Math.min(...numbers)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...numbers)).toBeLessThan(1);
    expect(numbers.filter((number) => number < 0.25).length / 10_000).toBeCloseTo(0.25, 1);
  });

  it('draws the same bytes however many numbers were drawn before', () => {
    const one = createVirtualRuntime();
    const other = createVirtualRuntime();
    other.random();
    expect(other.randomBytes(16)).toEqual(one.randomBytes(16));
  });

  it.each([{ now: Number.NaN }, { seed: 0.5 }, { maxActions: 0 }])('refuses %o', (options) => {
    expect(() => createVirtualRuntime(options)).toThrow(TypeError);
  });

  it('refuses to go back', () => {
    expect(() => createVirtualRuntime().advance(-1)).toThrow(TypeError);
  });
});
