import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createFakeUpstream, type FakeUpstream } from 'headgate/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sharedServer } from '../servers/shared.ts';
import { startCommandServer } from './command-server.ts';
import { type Block, readBlocks, readDocument } from './markdown.ts';
import { type Shell, startShell } from './shell.ts';

const blocks = readBlocks(readDocument('docs/walk.md'));
const configFile = 'headgate.config.yaml';

const newName = () => `walk_${randomUUID().replaceAll('-', '').slice(0, 16)}`;

async function urlWith(server: 'postgres' | 'redis', parameter: string): Promise<string> {
  const url = new URL(await sharedServer(server));
  url.searchParams.set(parameter, newName());
  return url.href;
}

/** Where the walk keeps its things; the document names the first. */
const stores: Readonly<Record<string, () => Promise<string>>> = {
  SQLite: async () => 'sqlite:headgate.db',
  files: async () => 'file:store',
  PostgreSQL: () => urlWith('postgres', 'schema'),
  Redis: () => urlWith('redis', 'installation'),
};

let compiled: string;
beforeAll(async () => {
  compiled = await mkdtemp(join(tmpdir(), 'headgate-walk-compiled-'));
});
afterAll(() => rm(compiled, { recursive: true, force: true }));

describe('docs/walk.md', () => {
  it('has blocks of every kind that it is made of', () => {
    const languages = blocks.map(({ language }) => language);
    expect(new Set(languages)).toEqual(new Set(['sh', 'text', 'yaml', 'ts', 'diff', 'comment']));
    expect(languages.filter((language) => language === 'sh').length).toBeGreaterThan(20);
  });

  it.each(Object.keys(stores))('does what it says on %s', { timeout: 600_000 }, async (name) => {
    await walk((await stores[name]?.()) as string);
  });
});

/** Goes through the document from top to bottom, in an empty directory. */
async function walk(store: string): Promise<void> {
  const secrets = { openai: 'sk-openai-first', anthropic: 'sk-ant-first', second: 'sk-openai-second' };
  const accepted = Object.values(secrets);
  await using upstream = await createFakeUpstream({ apiKeys: accepted });
  const directory = await mkdtemp(join(tmpdir(), 'headgate-walk-'));
  const commands = await startCommandServer();
  const port = String(await findFreePort());
  const shell = await startShell(directory, commands.port, {
    // the SDKs are the greater part of each small program: compiled once for all of them
    NODE_COMPILE_CACHE: compiled,
    OPENAI_API_KEY: secrets.openai,
    ANTHROPIC_API_KEY: secrets.anthropic,
    OPENAI_API_KEY_2: secrets.second,
  });
  /** The one thing that is changed in what the document says. */
  const withAddresses = (text: string) =>
    text
      .replace(/^export HEADGATE_STORE=\S+/m, () => `export HEADGATE_STORE='${store}'`)
      .replaceAll('8787', port)
      .replaceAll('type: openai,', `type: openai, baseUrl: '${upstream.url}/v1',`)
      .replaceAll('type: anthropic,', `type: anthropic, baseUrl: '${upstream.url}',`);
  try {
    for (const [index, block] of blocks.entries()) {
      const text = withAddresses(block.text);
      const file = /^(?:#|\/\/) ([\w.]+)/.exec(block.text)?.[1];
      if (block.language === 'sh') await runCommands(shell, block, text, blocks[index + 1]);
      else if (block.language === 'diff') await change(join(directory, configFile), text);
      else if (block.language === 'comment') await deleteOldKey(upstream, accepted, secrets);
      else if (block.language !== 'text') {
        if (file === undefined) throw new Error(`walk.md:${block.line}: the block does not name its file.`);
        await writeFile(join(directory, file), text);
      }
      if (block.text.includes('headgate serve')) await untilServing(port, directory);
    }
  } finally {
    await shell.close();
    await commands.close();
    await rm(directory, { recursive: true, force: true });
  }
  const refused = upstream.requests.filter(
    ({ headers }) => headers.authorization === `Bearer ${secrets.openai}`,
  );
  const served = upstream.requests.filter(
    ({ headers }) => headers.authorization === `Bearer ${secrets.second}`,
  );
  expect([refused.length > 0, served.length > 20]).toEqual([true, true]);
}

/** Runs a block. Questions to the gateway are asked again until it has heard of the change before, as it does in seconds. */
async function runCommands(shell: Shell, block: Block, text: string, next: Block | undefined): Promise<void> {
  const expected = next?.language === 'text' ? next.text : undefined;
  const isQuestion = block.text.split('\n').every((line) => line === '' || line.includes('node ask.ts'));
  const deadlineMs = performance.now() + 60_000;
  for (;;) {
    const { stdout, stderr, failed } = await shell.run(text);
    expect(failed, `walk.md:${block.line}: ${stdout}${stderr}`).toEqual([]);
    if (expected === undefined || isLike(stdout, expected)) return;
    if (isQuestion && performance.now() < deadlineMs) continue;
    expect(stdout, `walk.md:${block.line}: ${stderr}`).toBe(expected);
  }
}

/** Whether a text is what the document shows: `…` stands for anything in a line, and columns may be of any width. */
function isLike(text: string, shown: string): boolean {
  const toLines = (all: string) =>
    all
      .trim()
      .split('\n')
      .map((line) => line.trim().replace(/\s+/g, ' '));
  const lines = toLines(text);
  const patterns = toLines(shown).map(
    (line) => new RegExp(`^${line.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&').replaceAll('…', '.*')}$`),
  );
  return (
    lines.length === patterns.length && patterns.every((pattern, index) => pattern.test(lines[index] ?? ''))
  );
}

/** Applies a change: what the block shows without `+` must stand in the file once. */
async function change(file: string, diff: string): Promise<void> {
  const lines = diff.replace(/\n$/, '').split('\n');
  const side = (sign: string) =>
    lines
      .filter((line) => !line.startsWith(sign))
      .map((line) => `${line.slice(1)}\n`)
      .join('');
  const before = await readFile(file, 'utf8');
  expect(before.split(side('+')).length, `the config has once:\n${side('+')}`).toBe(2);
  await writeFile(
    file,
    before.replace(side('+'), () => side('-')),
  );
}

/** What a person does who sees at the provider that the new key is used and the old one is not. */
async function deleteOldKey(
  upstream: FakeUpstream,
  accepted: string[],
  { openai, second }: { readonly openai: string; readonly second: string },
): Promise<void> {
  const uses =
    (key: string) =>
    ({ headers }: FakeUpstream['requests'][number]) =>
      headers.authorization === `Bearer ${key}`;
  const first = await upstream.waitFor(uses(second), 60_000);
  await upstream.waitFor((request) => uses(second)(request) && request.index > first.index + 40, 60_000);
  const last = upstream.requests.findLast(uses(openai));
  expect(last?.index).toBeLessThan(first.index + 20);
  accepted.splice(accepted.indexOf(openai), 1);
}

async function untilServing(port: string, directory: string): Promise<void> {
  const deadlineMs = performance.now() + 60_000;
  for (;;) {
    const reply = await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined);
    if (reply?.ok) return;
    if (performance.now() > deadlineMs) {
      throw new Error(`It does not serve: ${await readFile(join(directory, 'gateway.log'), 'utf8')}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
