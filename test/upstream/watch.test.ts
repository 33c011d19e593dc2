import { createVirtualRuntime } from 'headgate/testing';
import { describe, expect, it } from 'vitest';
import type { Runtime } from '../../src/runtime.ts';
import { createWatch } from '../../src/upstream/watch.ts';

function createThing() {
  const thing = { calls: 0, overdue: () => void thing.calls++ };
  return thing;
}

describe('a watch', () => {
  it('calls what is overdue once, at most a tick late, and never early', () => {
    const runtime = createVirtualRuntime();
    const watch = createWatch(runtime);
    const thing = createThing();
    watch.add(thing, 1_000);
    runtime.advance(999);
    expect(thing.calls).toBe(0);
    runtime.advance(51);
    expect(thing.calls).toBe(1);
    runtime.advance(10_000);
    expect(thing.calls).toBe(1);
  });

  it('does not call what was removed, and runs no timer when nothing is watched', () => {
    const runtime = createVirtualRuntime();
    const watch = createWatch(runtime);
    const thing = createThing();
    expect(runtime.pending).toBe(0);
    watch.add(thing, 1_000);
    watch.remove(thing, 1_000);
    runtime.advance(5_000);
    expect([thing.calls, runtime.pending]).toEqual([0, 0]);
  });

  it('keeps thousands with one timer', () => {
    const runtime = createVirtualRuntime();
    const watch = createWatch(runtime);
    const things = Array.from({ length: 5_000 }, createThing);
    for (const [index, thing] of things.entries()) watch.add(thing, index % 2 ? 500 : 900);
    expect(runtime.pending).toBe(1);
    runtime.advance(600);
    expect(things.filter(({ calls }) => calls === 1)).toHaveLength(2_500);
    runtime.advance(400);
    expect(things.every(({ calls }) => calls === 1)).toBe(true);
  });

  it('calls nobody overdue after the event loop was blocked, before what had come in was seen', () => {
    const runtime = createVirtualRuntime();
    let blockedMs = 0;
    // the clock goes on and no timer fires: what a blocked event loop looks like
    const blocked: Runtime = { ...runtime, monotonicMs: () => runtime.monotonicMs() + blockedMs };
    const watch = createWatch(blocked);
    const answered = createThing();
    const silent = createThing();
    watch.add(answered, 1_000);
    watch.add(silent, 1_000);
    blockedMs = 2_000;
    runtime.advance(50);
    expect([answered.calls, silent.calls]).toEqual([0, 0]);
    watch.remove(answered, 1_000);
    runtime.advance(50);
    expect([answered.calls, silent.calls]).toEqual([0, 1]);
  });

  it('calls what is overdue although the event loop is late each time, when what had come in until then was seen', () => {
    const runtime = createVirtualRuntime();
    let blockedMs = 0;
    const blocked: Runtime = { ...runtime, monotonicMs: () => runtime.monotonicMs() + blockedMs };
    const watch = createWatch(blocked);
    const thing = createThing();
    watch.add(thing, 1_000);
    const tickLate = () => {
      blockedMs += 200;
      runtime.advance(50);
      return thing.calls;
    };
    // at 250, 500, 750 and 1,000 ms
    expect([tickLate(), tickLate(), tickLate(), tickLate()]).toEqual([0, 0, 0, 0]);
    expect(tickLate()).toBe(1);
  });
});
