import { createVirtualRuntime } from 'headgate/testing';
import { describe, expect, it } from 'vitest';
import { type FollowConfigOptions, followConfig } from '../../src/config/follow-config.ts';
import type { ConfigStore, ConfigVersion } from '../../src/stores/config-store.ts';
import type { ChangeListener } from '../../src/stores/watch.ts';

const version = (number: number): ConfigVersion => ({
  number,
  author: 'ana',
  createdAtMs: 0,
  digest: String(number),
  config: { providers: {}, models: {} },
});

/** A store that says what a test tells it to, when it tells it to. */
function createScriptedStore(latest: number) {
  const calls: string[] = [];
  const listeners = new Set<ChangeListener>();
  const script = {
    latest,
    /** What `readLatest` gives when it is not `latest`. */
    shown: undefined as ConfigVersion | null | undefined,
    failure: undefined as Error | undefined,
    /** What reads wait for. */
    held: undefined as Promise<void> | undefined,
    calls,
    listeners,
    tell: (id?: string) => {
      for (const listener of listeners) listener(id);
    },
    /** Holds every read back until the returned function is called. */
    hold() {
      const gate = Promise.withResolvers<void>();
      script.held = gate.promise;
      return () => {
        script.held = undefined;
        gate.resolve();
      };
    },
  };
  const answer = async <T>(name: string, value: () => T): Promise<T> => {
    calls.push(name);
    await script.held;
    if (script.failure) throw script.failure;
    return value();
  };
  const store: ConfigStore = {
    readNumber: () => answer('number', () => script.latest),
    readLatest: () =>
      answer('latest', () => (script.shown === undefined ? version(script.latest) : script.shown)),
    readVersion: async () => null,
    listVersions: async () => [],
    appendVersion: async () => null,
    watchConfig(listener) {
      listeners.add(listener);
      return async () => void listeners.delete(listener);
    },
  };
  return { script, store };
}

function start(from: number, options: Partial<FollowConfigOptions> = {}, latest = from) {
  const runtime = createVirtualRuntime();
  const { script, store } = createScriptedStore(latest);
  const applied: number[] = [];
  const errors: unknown[] = [];
  const follower = followConfig({
    store,
    from,
    apply: ({ number }) => void applied.push(number),
    pollMs: 1_000,
    deadlineMs: 500,
    onError: (error) => errors.push(error),
    runtime,
    ...options,
  });
  const messages = () => errors.map((error) => (error as Error).message);
  return { runtime, script, store, follower, applied, errors, messages };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('a configuration that is followed', () => {
  it('is read with the next poll where the watch is silent, and costs one small read where nothing is new', async () => {
    const { runtime, script, applied, follower } = start(3);
    await runtime.advanceAsync(999);
    expect(script.calls).toEqual([]);
    await runtime.advanceAsync(2_001);
    expect(script.calls).toEqual(['number', 'number', 'number']);
    script.latest = 4;
    await runtime.advanceAsync(999);
    expect(applied).toEqual([]);
    await runtime.advanceAsync(1);
    expect(applied).toEqual([4]);
    expect(follower.number).toBe(4);
  });

  it('is read as soon as the store tells, and again by polls that go on', async () => {
    const { runtime, script, applied } = start(1);
    script.latest = 2;
    script.tell('2');
    await turn();
    expect(applied).toEqual([2]);
    script.latest = 3;
    await runtime.advanceAsync(1_000);
    expect(applied).toEqual([2, 3]);
  });

  it('is polled in a store that cannot tell', async () => {
    const runtime = createVirtualRuntime();
    const { script, store } = createScriptedStore(1);
    const { watchConfig: _, ...silent } = store;
    const applied: number[] = [];
    const follower = followConfig({
      store: silent,
      from: 1,
      apply: ({ number }) => void applied.push(number),
      runtime,
    });
    script.latest = 2;
    await runtime.advanceAsync(2_000);
    expect(applied).toEqual([2]);
    await follower.stop();
    expect(runtime.pending).toBe(0);
  });

  it('is applied one version at a time and only forwards, whatever is told meanwhile', async () => {
    const running: number[] = [];
    const log: string[] = [];
    const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const { script } = start(1, {
      async apply({ number }) {
        running.push(number);
        expect(running).toHaveLength(1);
        log.push(`begins ${number}`);
        await gates[number - 2]?.promise;
        running.pop();
        log.push(`ends ${number}`);
      },
    });
    script.latest = 2;
    script.tell('2');
    await turn();
    script.latest = 3;
    for (let times = 0; times < 100; times++) script.tell('3');
    await turn();
    expect(log).toEqual(['begins 2']);
    gates[0]?.resolve();
    await turn();
    expect(log).toEqual(['begins 2', 'ends 2', 'begins 3']);
    gates[1]?.resolve();
    await turn();
    expect(log.at(-1)).toBe('ends 3');
    // a storm of signals during one look is one more look
    expect(script.calls.filter((call) => call === 'number')).toHaveLength(2);
  });

  it('skips versions that were replaced before they were read, and takes no version below the one in force', async () => {
    const { script, applied, follower } = start(1);
    script.latest = 9;
    await follower.check();
    expect(applied).toEqual([9]);
    // the number is of one replica and the version of another that lags behind
    script.latest = 10;
    script.shown = version(8);
    await follower.check();
    script.shown = null;
    await follower.check();
    expect(applied).toEqual([9]);
    script.shown = undefined;
    await follower.check();
    expect(applied).toEqual([9, 10]);
  });
});

describe('a version that cannot be applied', () => {
  const refusing = (refused: Set<number>, applied: number[]) => ({
    apply({ number }: ConfigVersion) {
      if (refused.has(number)) throw new TypeError(`version ${number} is not valid`);
      applied.push(number);
    },
  });

  it('is reported once and not tried again, and the next one is', async () => {
    const taken: number[] = [];
    const { runtime, script, follower, messages } = start(1, refusing(new Set([2, 3]), taken));
    script.latest = 2;
    script.tell('2');
    await runtime.advanceAsync(10_000);
    expect(messages()).toEqual(['version 2 is not valid']);
    expect(follower.number).toBe(1);
    expect(script.calls.filter((call) => call === 'latest')).toHaveLength(1);
    script.latest = 3;
    await runtime.advanceAsync(3_000);
    script.latest = 4;
    await runtime.advanceAsync(1_000);
    expect(messages()).toEqual(['version 2 is not valid', 'version 3 is not valid']);
    expect(taken).toEqual([4]);
    expect(follower.number).toBe(4);
  });

  it('is tried again when somebody asks for a check, who may have mended what it lacked', async () => {
    const refused = new Set([2]);
    const taken: number[] = [];
    const { script, follower, messages } = start(1, refusing(refused, taken));
    script.latest = 2;
    await follower.check();
    await follower.check();
    expect(messages()).toEqual(['version 2 is not valid', 'version 2 is not valid']);
    refused.clear();
    await follower.check();
    expect([taken, follower.number]).toEqual([[2], 2]);
  });

  it('is reported when it fails later, as a promise, and whoever is told may throw', async () => {
    let told = 0;
    const { script, follower } = start(1, {
      apply: async () => {
        await turn();
        throw new Error('later');
      },
      onError() {
        told++;
        throw new Error('the log is full');
      },
    });
    script.latest = 2;
    await follower.check();
    expect([told, follower.number]).toEqual([1, 1]);
  });
});

describe('a store that fails', () => {
  it('is reported once until it works again; what is in force stays, and what was missed is applied', async () => {
    const { runtime, script, applied, follower, messages } = start(1);
    await runtime.advanceAsync(1_000);
    const asked = follower.checkedAtMs;
    expect(asked).toBe(1_000);
    script.failure = new Error('connection refused');
    await runtime.advanceAsync(5_000);
    expect(messages()).toEqual(['connection refused']);
    expect([follower.checkedAtMs, follower.number]).toEqual([asked, 1]);
    script.failure = undefined;
    script.latest = 2;
    await runtime.advanceAsync(1_000);
    expect(applied).toEqual([2]);
    expect(follower.checkedAtMs).toBe(7_000);
    script.failure = new Error('connection reset');
    await runtime.advanceAsync(2_000);
    expect(messages()).toEqual(['connection refused', 'connection reset']);
  });

  it('that never answers is given up after the deadline, asked again, and its late answer is not believed', async () => {
    const { runtime, script, applied, follower, messages } = start(1);
    const release = script.hold();
    script.latest = 2;
    await runtime.advanceAsync(1_500);
    expect(messages()).toEqual(['The configuration store did not answer in 500 ms.']);
    expect(applied).toEqual([]);
    release();
    await turn();
    expect(applied).toEqual([]);
    await runtime.advanceAsync(1_000);
    expect([applied, follower.number]).toEqual([[2], 2]);
  });

  it('at once instead of by a promise, or with something that is no number, fails like any other', async () => {
    const { runtime, store, follower, messages } = start(1);
    store.readNumber = () => {
      throw new Error('closed');
    };
    await runtime.advanceAsync(1_000);
    expect(messages()).toEqual(['closed']);
    store.readNumber = async () => 1;
    await runtime.advanceAsync(1_000);
    const { checkedAtMs } = follower;
    store.readNumber = async () => undefined as unknown as number;
    await runtime.advanceAsync(2_000);
    expect(messages()).toHaveLength(2);
    expect(messages()[1]).toMatch(/readNumber/);
    expect(follower.checkedAtMs).toBe(checkedAtMs);
  });
});

describe('a store that was emptied or set back', () => {
  it('is reported once, and what is in force stays', async () => {
    const { runtime, script, applied, follower, messages } = start(7);
    const { checkedAtMs } = follower;
    script.latest = 0;
    await runtime.advanceAsync(5_000);
    expect(messages()).toEqual(['The store has version 0 of the configuration, and 7 is in force.']);
    expect([follower.number, follower.checkedAtMs]).toEqual([7, checkedAtMs]);
    expect(applied).toEqual([]);
  });

  it('is reported also when it failed before', async () => {
    const { runtime, script, messages } = start(7);
    script.failure = new Error('connection refused');
    await runtime.advanceAsync(2_000);
    script.failure = undefined;
    script.latest = 2;
    await runtime.advanceAsync(2_000);
    expect(messages()).toEqual([
      'connection refused',
      'The store has version 2 of the configuration, and 7 is in force.',
    ]);
  });

  it('is followed again from the number in force on, whose content may be another one now', async () => {
    const { runtime, script, applied, messages } = start(3);
    script.latest = 1;
    await runtime.advanceAsync(1_000);
    script.latest = 2;
    await runtime.advanceAsync(1_000);
    expect(applied).toEqual([]);
    script.latest = 3;
    await runtime.advanceAsync(3_000);
    expect(applied).toEqual([3]);
    script.latest = 1;
    await runtime.advanceAsync(1_000);
    script.failure = new Error('connection refused');
    await runtime.advanceAsync(1_000);
    script.failure = undefined;
    script.latest = 3;
    await runtime.advanceAsync(1_000);
    expect(applied).toEqual([3, 3]);
    expect(messages()).toHaveLength(3);
  });
});

describe('following ends', () => {
  it('with no timer and no watch left, however often it is ended', async () => {
    const { runtime, script, follower } = start(1);
    await runtime.advanceAsync(1_000);
    await Promise.all([follower.stop(), follower.stop()]);
    expect(runtime.pending).toBe(0);
    expect(script.listeners.size).toBe(0);
    await runtime.advanceAsync(10_000);
    await follower.check();
    expect(script.calls).toEqual(['number']);
  });

  it.each([
    ['the number', 1],
    ['the version', 2],
  ])('during a read of %s, which is then neither applied nor reported', async (_, reads) => {
    for (const failure of [undefined, new Error('the store was closed')]) {
      const { runtime, script, follower, applied, errors } = start(1);
      script.latest = 2;
      let release = script.hold();
      script.tell();
      if (reads === 2) {
        release();
        release = script.hold();
        await turn();
      }
      expect(script.calls).toHaveLength(reads);
      const stopping = follower.stop();
      script.failure = failure;
      release();
      await stopping;
      await turn();
      expect([applied, errors, follower.number]).toEqual([[], [], 1]);
      await runtime.advanceAsync(10_000);
      expect(script.calls).toHaveLength(reads);
      expect(runtime.pending).toBe(0);
    }
  });

  it('from within the version that it applies', async () => {
    const { runtime, script, follower, applied } = start(1, {
      apply: async ({ number }) => {
        applied.push(number);
        await follower.stop();
      },
    });
    script.latest = 2;
    await runtime.advanceAsync(1_000);
    script.latest = 3;
    await runtime.advanceAsync(5_000);
    expect(applied).toEqual([2]);
    expect(runtime.pending).toBe(0);
  });
});

describe('options that cannot be used', () => {
  it.each([
    ['pollMs', 0],
    ['pollMs', 1.5],
    ['pollMs', 2_147_483_648],
    ['deadlineMs', 0],
    ['deadlineMs', Number.NaN],
  ])('are a TypeError that names them: %s = %d', (name, value) => {
    const { store } = createScriptedStore(1);
    const options = { store, from: 1, apply: () => undefined, [name]: value };
    expect(() => followConfig(options)).toThrow(new RegExp(`^followConfig: "${name}"`));
    expect(() => followConfig(options)).toThrow(TypeError);
  });
});
