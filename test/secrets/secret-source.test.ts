import { mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { createVirtualRuntime } from 'headgate/testing';
import { afterAll, describe, expect, it } from 'vitest';
import { createKeyEncryptionRing } from '../../src/secrets/key-encryption-ring.ts';
import type { SecretError } from '../../src/secrets/secret-error.ts';
import {
  createSecretSource,
  type SecretSourceConfig,
  type SecretSourceOptions,
} from '../../src/secrets/secret-source.ts';
import { canary, createService, createTestStore, createTestVault } from './fixture.ts';

const folder = mkdtempSync(join(tmpdir(), 'headgate-source-'));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;
const newFile = (content: string) => {
  const file = join(folder, `secret-${files++}`);
  writeFileSync(file, content);
  return file;
};

function sourceOf(config: SecretSourceConfig, options: SecretSourceOptions = {}) {
  // the time of day, which the times of files are compared with
  const runtime = createVirtualRuntime({ now: Date.now() });
  const errors: SecretError[] = [];
  const source = createSecretSource('providers.p.apiKey', config, {
    runtime,
    onError: (error) => errors.push(error),
    ...options,
  });
  const shown = () => source.current().reveal();
  return { source, runtime, errors, shown, messages: () => errors.map(({ message }) => message) };
}

describe('a source', () => {
  it('of a text gives it, without white space around it, as the same object each time', async () => {
    const { source, shown } = sourceOf(` ${canary}\n`);
    expect(shown()).toBe(canary);
    expect(source.current()).toBe(source.current());
    await Promise.all([source.ready(), source.refresh()]);
    source.close();
    expect(shown()).toBe(canary);
  });

  it.each<[string, SecretSourceConfig, string]>([
    ['an empty text', ' ', 'the secret is empty.'],
    ['a line break inside', 'a\r\nx: 1', 'the secret has characters that no header can carry.'],
    ['a text that is too long', 'a'.repeat(16_385), 'the secret is longer than 16384 characters.'],
    ['a variable that is not set', { env: 'MISSING' }, 'the environment variable MISSING is not set.'],
    ['a variable that is empty', { env: 'EMPTY' }, 'the secret is empty.'],
    ['a file that is not there', { file: '/nowhere/key' }, 'the file /nowhere/key cannot be read.'],
    ['a file that is a folder', { file: folder }, `the file ${folder} cannot be read.`],
    ['a file that is a device', { file: '/dev/zero' }, 'the file /dev/zero cannot be read.'],
    ['a function that gives nothing', () => '', 'the secret is empty.'],
    ['a function that gives no string', () => undefined as never, 'the function did not give a string.'],
    ['a function that throws', () => JSON.parse(`"${canary}`), 'the function failed (SyntaxError).'],
    [
      'a vault that is not there',
      { store: 'a' },
      '{ store: "a" } needs a vault, and there is none (headgate serve: set HEADGATE_KEK).',
    ],
  ])('is refused for %s', (_, config, message) => {
    const make = () => sourceOf(config, { environment: { EMPTY: '' } });
    expect(make).toThrow(TypeError);
    expect(make).toThrow(`providers.p.apiKey: ${message}`);
  });

  it('names an option that is out of range', () => {
    for (const name of ['pollMs', 'refreshMs', 'timeoutMs', 'retryMs']) {
      expect(() => sourceOf('a', { [name]: 0 })).toThrow(`"${name}" must be an integer`);
    }
  });

  it('answers a million times in a second and a half when nothing changed', async () => {
    const { vault } = createTestVault();
    await vault.put({ id: 'a', provider: 'p', text: canary });
    await vault.load();
    const sources = [
      sourceOf(canary),
      sourceOf({ env: 'KEY' }, { environment: { KEY: canary } }),
      sourceOf({ file: newFile(canary) }),
      sourceOf(() => canary),
      sourceOf({ store: 'a' }, { vault }),
    ];
    for (const { source } of sources) {
      let same = 0;
      const first = source.current();
      const beganAtMs = performance.now();
      for (let times = 0; times < 100_000; times++) if (source.current() === first) same++;
      expect(same).toBe(100_000);
      // 1 µs each is the promise; the machine that runs this may be busy, and a look at the store or disk is far more
      expect(performance.now() - beganAtMs).toBeLessThan(10_000);
      source.close();
    }
  });
});

describe('an environment variable', () => {
  it('is read at each attempt; what is unusable or gone is told once and leaves the last good one', () => {
    const environment: Record<string, string | undefined> = { KEY: 'one' };
    const { shown, source, messages } = sourceOf({ env: 'KEY' }, { environment });
    const first = source.current();
    environment.KEY = 'two';
    expect(shown()).toBe('two');
    expect(source.current()).not.toBe(first);
    expect(source.current().fingerprint).not.toBe(first.fingerprint);
    for (const bad of ['', undefined, 'x\ny']) {
      environment.KEY = bad;
      for (let times = 0; times < 3; times++) expect(shown()).toBe('two');
    }
    expect(messages()).toHaveLength(3);
    environment.KEY = 'two';
    expect(shown()).toBe('two');
    environment.KEY = '';
    expect(shown()).toBe('two');
    expect(messages()).toHaveLength(4);
  });
});

describe('a file', () => {
  /** Lets the poll and its file system calls happen, until something is as it should be. */
  async function until(runtime: ReturnType<typeof createVirtualRuntime>, isDone: () => boolean) {
    const deadlineMs = Date.now() + 60_000;
    while (!isDone()) {
      if (Date.now() > deadlineMs) expect.unreachable('it never happened');
      await runtime.advanceAsync(1_000);
    }
  }
  /** Lets several polls happen, each whole. */
  async function poll(
    runtime: ReturnType<typeof createVirtualRuntime>,
    source: { refresh(): Promise<void> },
  ) {
    for (let times = 0; times < 3; times++) {
      await runtime.advanceAsync(1_000);
      await source.refresh().catch(() => undefined);
    }
  }

  it('that is written again, replaced, or linked to another is taken at the next look', async () => {
    const file = newFile('one\n');
    const { source, shown, runtime, errors } = sourceOf({ file });
    expect(shown()).toBe('one');
    writeFileSync(file, 'two\n');
    await until(runtime, () => shown() === 'two');
    writeFileSync(`${file}.new`, 'three');
    renameSync(`${file}.new`, file);
    await until(runtime, () => shown() === 'three');
    const other = newFile('four');
    unlinkSync(file);
    symlinkSync(other, file);
    await until(runtime, () => shown() === 'four');
    expect(errors.filter(({ code }) => code !== 'secret_unavailable')).toEqual([]);
    source.close();
  });

  it('with the same length and time as before is still seen to have changed', async () => {
    const file = newFile('one');
    utimesSync(file, 1_000_000_000, 1_000_000_000);
    const { source, shown, runtime } = sourceOf({ file });
    writeFileSync(file, 'two');
    utimesSync(file, 1_000_000_000, 1_000_000_000);
    await until(runtime, () => shown() === 'two');
    source.close();
  });

  it('that is unusable, too big or gone is told once and leaves the last good one, and the same object when it is back', async () => {
    const file = newFile('one');
    const { source, runtime, messages } = sourceOf({ file });
    const before = source.current();
    const spoil = [
      () => writeFileSync(file, ''),
      () => writeFileSync(file, 'one\ntwo'),
      () => writeFileSync(file, Buffer.from([0xff, 0xfe, 0x00])),
      () => writeFileSync(file, 'a'.repeat(70_000)),
      () => unlinkSync(file),
      () => mkdir(file),
    ];
    for (const action of spoil) {
      await action();
      await poll(runtime, source);
      expect(source.current()).toBe(before);
    }
    const label = 'providers.p.apiKey:';
    expect(messages()).toEqual([
      `${label} the secret is empty.`,
      `${label} the secret has characters that no header can carry.`,
      `${label} the file ${file} cannot be read.`,
    ]);
    await expect(source.refresh()).rejects.toMatchObject({ code: 'secret_unavailable' });
    rmSync(file, { recursive: true });
    writeFileSync(file, 'one');
    await poll(runtime, source);
    expect(source.current()).toBe(before);
    unlinkSync(file);
    await poll(runtime, source);
    expect(messages()).toHaveLength(4);
    source.close();
  });

  it('is not looked at after close', async () => {
    const file = newFile('one');
    const { source, shown, runtime } = sourceOf({ file });
    source.close();
    expect(runtime.pending).toBe(0);
    writeFileSync(file, 'two');
    await runtime.advanceAsync(10_000);
    expect(shown()).toBe('one');
  });
});

describe('a function', () => {
  it('that gives a string is called at once, then every refreshMs', async () => {
    let calls = 0;
    const { source, shown, runtime } = sourceOf(() => `key-${++calls}`);
    expect(shown()).toBe('key-1');
    await runtime.advanceAsync(59_999);
    expect(shown()).toBe('key-1');
    await runtime.advanceAsync(1);
    expect(shown()).toBe('key-2');
    await source.refresh();
    expect(shown()).toBe('key-3');
    source.close();
    await runtime.advanceAsync(600_000);
    expect(calls).toBe(3);
    expect(runtime.pending).toBe(0);
  });

  it('that gives a promise is there after ready, and not before', async () => {
    const { source, shown } = sourceOf(async () => canary);
    expect(() => source.current()).toThrow(expect.objectContaining({ code: 'secret_unavailable' }));
    await source.ready();
    expect(shown()).toBe(canary);
    source.close();
  });

  it('keeps the object while the text is the same', async () => {
    const { source, runtime } = sourceOf(async () => canary);
    await source.ready();
    const before = source.current();
    await runtime.advanceAsync(300_000);
    expect(source.current()).toBe(before);
    source.close();
  });

  it('that fails at first is not ready, says why, is called again ever more rarely, and is used when it works', async () => {
    let calls = 0;
    let isUp = false;
    const { source, shown, runtime, errors } = sourceOf(async () => {
      calls++;
      if (!isUp) throw Object.assign(new Error(`no ${canary}`), { code: 'ECONNREFUSED' });
      return canary;
    });
    await expect(source.ready()).rejects.toMatchObject({
      code: 'secret_unavailable',
      message: 'providers.p.apiKey: the function failed (Error ECONNREFUSED).',
    });
    expect(() => source.current()).toThrow(expect.objectContaining({ code: 'secret_unavailable' }));
    await runtime.advanceAsync(600_000);
    // 1, 2, 4, … 32 seconds, then every minute, each at least half of it
    expect(calls).toBeGreaterThan(12);
    expect(calls).toBeLessThan(30);
    expect(errors).toHaveLength(1);
    expect(errors[0]?.message).not.toContain('canary');
    isUp = true;
    await runtime.advanceAsync(60_000);
    expect(shown()).toBe(canary);
    source.close();
  });

  it('that fails or gives rubbish later leaves the last good one', async () => {
    const answers: (() => string | Promise<string>)[] = [
      () => canary,
      () => Promise.reject(new Error('sealed')),
      () => '',
      () => 7 as never,
      () => null as never,
      () => {
        throw new Error('sealed');
      },
    ];
    let calls = 0;
    const { source, shown, runtime, messages } = sourceOf(() =>
      (answers[calls++ % answers.length] as () => string)(),
    );
    for (let seconds = 0; seconds < 20; seconds++) {
      await runtime.advanceAsync(1_000);
      expect(shown()).toBe(canary);
    }
    await runtime.advanceAsync(50_000);
    expect(new Set(messages()).size).toBeGreaterThanOrEqual(3);
    expect(shown()).toBe(canary);
    source.close();
  });

  it('that never answers is given up after timeoutMs and called again; a late answer is ignored', async () => {
    let answer: (text: string) => void = () => undefined;
    let calls = 0;
    const { source, shown, runtime, messages } = sourceOf(
      () =>
        new Promise<string>((resolve) => {
          if (++calls === 1) answer = resolve;
          else resolve(`key-${calls}`);
        }),
    );
    const ready = source.ready().catch((error: unknown) => error);
    await runtime.advanceAsync(10_000);
    expect(await ready).toMatchObject({ code: 'secret_unavailable' });
    expect(messages()).toEqual(['providers.p.apiKey: the function failed (Error ETIMEDOUT).']);
    await runtime.advanceAsync(1_000);
    expect(shown()).toBe('key-2');
    answer('too-late');
    await runtime.advanceAsync(0);
    expect(shown()).toBe('key-2');
    source.close();
  });

  it('is called once for many who ask to refresh at the same time', async () => {
    let calls = 0;
    const { source } = sourceOf(async () => `key-${++calls}`);
    await source.ready();
    await Promise.all(Array.from({ length: 100 }, () => source.refresh()));
    expect(calls).toBe(2);
    source.close();
  });
});

describe('a secret of the vault', () => {
  async function stored(text = canary) {
    const made = createTestVault();
    await made.vault.put({ id: 'a', provider: 'p', text });
    await made.vault.load();
    return made;
  }

  it('follows rotation at the next attempt and keeps the object else', async () => {
    const { vault } = await stored();
    const { source, shown } = sourceOf({ store: 'a' }, { vault, provider: 'p' });
    await source.ready();
    const before = source.current();
    expect(source.current()).toBe(before);
    await vault.put({ id: 'a', provider: 'p', text: 'sk-new' });
    expect(shown()).toBe('sk-new');
    expect(source.current().fingerprint).not.toBe(before.fingerprint);
    source.close();
    await vault.put({ id: 'a', provider: 'p', text: 'sk-newer' });
    expect(shown()).toBe('sk-new');
  });

  it('is an error while it is missing, removed, for another provider, or does not open', async () => {
    const { vault, tamper, record, runtime } = await stored();
    const missing = sourceOf({ store: 'none' }, { vault }).source;
    const mistaken = sourceOf({ store: 'a' }, { vault, provider: 'other' }).source;
    const { source } = sourceOf({ store: 'a' }, { vault, provider: 'p' });
    const code = (name: string) => expect.objectContaining({ code: name });
    expect(() => missing.current()).toThrow(code('secret_missing'));
    await expect(missing.ready()).rejects.toMatchObject({ code: 'secret_missing' });
    await expect(missing.refresh()).rejects.toMatchObject({ code: 'secret_missing' });
    expect(() => mistaken.current()).toThrow(code('secret_mismatch'));
    expect(source.current().reveal()).toBe(canary);
    tamper({ ...(await record('a')), sealed: canary });
    await runtime.advanceAsync(1_000);
    expect(() => source.current()).toThrow(code('secret_malformed'));
    await vault.remove('a');
    expect(() => source.current()).toThrow(code('secret_missing'));
    await vault.put({ id: 'none', provider: 'p', text: 'sk-late' });
    expect(missing.current().reveal()).toBe('sk-late');
  });

  it('whose key a service holds never makes an attempt wait or fail once it is ready', async () => {
    const ring = createKeyEncryptionRing({ current: 'kms', keys: { kms: createService() } });
    const testStore = createTestStore();
    await createTestVault({ testStore, ring }).vault.put({ id: 'a', provider: 'p', text: canary });
    const { vault, runtime } = createTestVault({ testStore, ring });
    await vault.load();
    const { source, shown } = sourceOf({ store: 'a' }, { vault });
    expect(() => source.current()).toThrow(expect.objectContaining({ code: 'secret_unavailable' }));
    await source.ready();
    for (let minutes = 0; minutes < 10; minutes++) {
      await runtime.advanceAsync(600_000);
      expect(shown()).toBe(canary);
    }
    source.close();
  });

  it('does not show itself in the source or its errors', async () => {
    const { vault } = await stored();
    for (const config of [canary, () => canary, { env: 'K' }, { store: 'a' }] as const) {
      const { source, errors } = sourceOf(config, { vault, environment: { K: canary } });
      source.current();
      const printed = inspect([source, errors], { depth: 20, showHidden: true }) + JSON.stringify(source);
      expect(printed).not.toContain('canary');
      source.close();
    }
  });
});
