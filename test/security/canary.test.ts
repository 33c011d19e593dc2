import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { allowances, judge } from './allowed.ts';
import { runAsLibrary } from './as-library.ts';
import { backendNames } from './backends.ts';
import { commandsOverFiles } from './commands.ts';
import { places } from './evidence.ts';
import { observeProcess } from './observe.ts';
import { runOverStores } from './over-stores.ts';
import { createShell } from './shell.ts';
import { type Finding, sweep } from './sweep.ts';
import { createWorld, type World } from './world.ts';

const credentialHeaders = ['authorization', 'x-api-key', 'x-goog-api-key', 'x-canary-key'];

let world: World;
let findings: readonly Finding[];
const statuses = new Map<string, Map<string, number>>();

beforeAll(async () => {
  world = await createWorld();
  const endObservation = observeProcess(world.evidence);
  try {
    // so that it is known that this is seen
    console.info('The canary sweep begins.');
    statuses.set('library', await runAsLibrary(world));
    await runOverFiles();
    for (const name of backendNames) statuses.set(name, await runOverStores(world, name));
  } finally {
    endObservation();
  }
  for (const { index, headers, path, query, body } of world.upstream.requests) {
    const names = Object.keys(headers);
    const pick = (are: boolean) =>
      names.filter((name) => credentialHeaders.includes(name) === are).map((name) => String(headers[name]));
    const add = (what: string, content: string | Uint8Array) =>
      world.evidence.add('upstream requests', `request ${index}: ${what}`, content);
    add('credential headers', pick(true).join('\n'));
    add('other headers', pick(false).join('\n'));
    add('path', `${path}?${query}`);
    add('body', body);
  }
  findings = sweep(world.evidence, world.sentinels.all);
}, 300_000);

afterAll(() => world?.close());

async function runOverFiles(): Promise<void> {
  const directory = join(world.directory, 'files');
  await mkdir(directory);
  await commandsOverFiles(createShell('files', directory, {}, world.evidence), world.sentinels);
}

describe('no planted secret is seen where it does not belong', () => {
  it.each(places)('%s', (place) => {
    const { leaks } = judge(findings);
    const there = leaks.filter((leak) => leak.place === place);
    expect(there.map(({ sentinel, source, form, excerpt }) => ({ sentinel, source, form, excerpt }))).toEqual(
      [],
    );
  });
});

describe('the tripwire: what was planted was in use', () => {
  it('every provider credential reached the provider', () => {
    const planted = world.sentinels.all
      .map(({ name }) => name)
      .filter((name) => name.startsWith('provider: '));
    const seen = new Set(
      findings
        .filter(({ source }) => source.endsWith(': credential headers'))
        .map(({ sentinel }) => sentinel),
    );
    expect(planted.length).toBeGreaterThan(25);
    expect(planted.filter((name) => !seen.has(name))).toEqual([]);
  });

  it.each(['library', ...backendNames])('requests ended as they were meant to: %s', (name) => {
    const results = [...(statuses.get(name) ?? [])];
    const of = (kind: string) => results.filter(([request]) => request.startsWith(kind));
    expect(of('success').filter(([, status]) => status !== 200)).toEqual([]);
    expect(of('refused').filter(([, status]) => status < 400 || status > 499)).toEqual([]);
    expect(of('success').length).toBeGreaterThan(15);
    expect(of('refused').length).toBeGreaterThan(50);
    expect(of('echo').length).toBeGreaterThan(100);
    expect(new Set(of('echo').map(([, status]) => status)).size).toBeGreaterThan(5);
  });

  it.each(places)('there is something to sweep: %s', (place) => {
    const pieces = world.evidence.pieces.filter((piece) => piece.place === place);
    expect(pieces.some(({ text }) => text.length > 10)).toBe(true);
  });

  it('prompts and answers went through', () => {
    const seen = (sentinel: string, place: string) =>
      findings.filter((finding) => finding.sentinel === sentinel && finding.place === place).length;
    expect(seen('prompt', 'upstream requests')).toBeGreaterThan(100);
    expect(seen('personal data', 'upstream requests')).toBeGreaterThan(100);
    expect(seen('completion', 'reply bodies')).toBeGreaterThan(50);
  });

  it('a new key is shown once', () => {
    const pieces = world.evidence.pieces.filter(({ source }) => source.includes(': use: '));
    for (const { name, bytes } of world.sentinels.all) {
      if (!name.startsWith('key: ')) continue;
      const text = Buffer.from(bytes).toString('latin1');
      const times = pieces.reduce((count, piece) => count + piece.text.split(text).length - 1, 0);
      expect(times, name).toBeLessThanOrEqual(1);
    }
  });

  it('the sweep finds what is put on purpose into each piece that was swept', { timeout: 300_000 }, () => {
    const probe = world.sentinels.all.filter(({ name }) => name === 'prompt');
    const [{ bytes } = { bytes: new Uint8Array() }] = probe;
    const text = Buffer.from(bytes).toString('latin1');
    const spoilt = world.evidence.pieces.map((piece) => ({
      ...piece,
      text: `${piece.text} ${text.slice(8, 20)}`,
    }));
    const found = sweep({ ...world.evidence, pieces: spoilt }, probe);
    expect(found.length).toBe(spoilt.length);
  });

  it('every permission is needed', () => {
    const { unused } = judge(findings);
    expect(allowances.length).toBeGreaterThan(0);
    expect(unused).toEqual([]);
  });
});
