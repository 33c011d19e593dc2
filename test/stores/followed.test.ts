import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createFollowed, type Followed, type Loaded } from '../../src/stores/file/followed.ts';
import { createVirtualRuntime, type VirtualRuntime } from '../../src/testing/virtual-runtime.ts';
import { createDirectory } from './file-harness.ts';

interface State {
  readonly value: string;
}

describe('a followed source', () => {
  let directory: string;
  let remove: () => Promise<void>;
  let runtime: VirtualRuntime;
  let followed: Followed<State>;
  /** What the source is, how often it was looked at and loaded, and what the next look or load waits for. */
  let source: { value: string; looks: number; loads: number; failure?: Error; refusal?: Error };
  let gate: { readonly promise: Promise<void>; readonly open: () => void } | undefined;

  beforeEach(async () => {
    ({ directory, remove } = await createDirectory());
    runtime = createVirtualRuntime();
    source = { value: 'one', looks: 0, loads: 0 };
    gate = undefined;
    const pass = async () => {
      await gate?.promise;
      if (source.failure) throw source.failure;
    };
    followed = createFollowed<State>(
      {
        directory,
        async look() {
          source.looks++;
          const stamp = source.value;
          await pass();
          return stamp;
        },
        async load(): Promise<Loaded<State>> {
          source.loads++;
          const { value, refusal } = source;
          await pass();
          return refusal ? { stamp: value, refusal } : { stamp: value, state: { value } };
        },
        compare: (before, after) => [`${before.value} to ${after.value}`],
      },
      runtime,
      1_000,
    );
  });
  afterEach(async () => {
    gate?.open();
    await followed.close();
    await remove();
  });

  const close = () => {
    let open = () => {};
    const promise = new Promise<void>((resolve) => {
      open = resolve;
    });
    gate = { promise, open };
    return () => {
      gate = undefined;
      open();
    };
  };
  const turn = () => new Promise((resolve) => setImmediate(resolve));

  it('is loaded once and looked at for each read', async () => {
    const first = await followed.read();
    expect(await followed.read()).toBe(first);
    expect(source).toMatchObject({ looks: 2, loads: 1 });
  });

  it('answers a read with what it was at an instant after the read began, however many share a look', async () => {
    await followed.read();
    const open = close();
    const early = followed.read();
    await turn();
    // the look of the early read has been answered with the old stamp already
    source.value = 'two';
    const late = Array.from({ length: 50 }, () => followed.read());
    open();
    expect((await early).value).toBe('one');
    for (const state of await Promise.all(late)) expect(state.value).toBe('two');
    expect(source.looks).toBe(3);
  });

  it('keeps what this process has written when an older load ends after it', async () => {
    await followed.read();
    source.value = 'older';
    let open = close();
    const reading = followed.read();
    open();
    open = close();
    while (source.loads < 2) await turn();
    source.value = 'written';
    followed.adopt('written', { value: 'written' });
    open();
    expect((await reading).value).toBe('written');
    const { loads } = source;
    expect((await followed.read()).value).toBe('written');
    expect(source.loads).toBe(loads);
  });

  it('throws while it fails, tells watchers that anything may have changed when it is back, and is loaded anew', async () => {
    const heard: (string | undefined)[] = [];
    followed.watch((id) => void heard.push(id));
    await followed.read();
    await turn();
    expect(heard).toEqual([undefined]);
    source.failure = new Error('gone');
    await expect(followed.read()).rejects.toThrow('gone');
    delete source.failure;
    expect((await followed.read()).value).toBe('one');
    expect(heard).toEqual([undefined, undefined]);
    expect(source.loads).toBe(2);
  });

  it('refuses a content once for each stamp', async () => {
    source.refusal = new Error('damaged');
    for (let index = 0; index < 3; index++) await expect(followed.read()).rejects.toThrow('damaged');
    expect(source.loads).toBe(1);
    source.value = 'two';
    await expect(followed.read()).rejects.toThrow('damaged');
    delete source.refusal;
    source.value = 'three';
    expect((await followed.read()).value).toBe('three');
  });

  it('tells watchers what is different, by poll where the system tells of no event, and not after the watch', async () => {
    const heard: (string | undefined)[] = [];
    const unwatch = followed.watch((id) => void heard.push(id));
    await followed.read();
    await turn();
    source.value = 'two';
    await runtime.advanceAsync(1_000);
    expect(heard).toEqual([undefined, 'one to two']);
    await unwatch();
    expect(runtime.pending).toBe(0);
    source.value = 'three';
    await followed.read();
    expect(heard).toEqual([undefined, 'one to two']);
  });

  it('listens to the system again when its directory was removed and made anew', async () => {
    const heard: (string | undefined)[] = [];
    followed.watch((id) => void heard.push(id));
    await followed.read();
    await remove();
    source.failure = new Error('gone');
    await runtime.advanceAsync(1_000);
    await mkdir(directory);
    delete source.failure;
    await runtime.advanceAsync(1_000);
    expect(heard).toEqual([undefined, undefined]);
    source.value = 'two';
    // the clock stands still: only the event can tell
    await writeFile(join(directory, 'event'), '');
    await vi.waitFor(() => expect(heard.at(-1)).toBe('one to two'), { timeout: 60_000, interval: 5 });
  });

  it('polls on after a poll that failed, and begins to listen when a source that failed at first is there', async () => {
    source.failure = new Error('gone');
    const heard: (string | undefined)[] = [];
    followed.watch((id) => void heard.push(id));
    for (let index = 0; index < 3; index++) await runtime.advanceAsync(1_000);
    expect(heard).toEqual([]);
    delete source.failure;
    await runtime.advanceAsync(1_000);
    expect(heard).toEqual([undefined]);
    source.value = 'two';
    await runtime.advanceAsync(1_000);
    expect(heard).toEqual([undefined, 'one to two']);
  });
});
