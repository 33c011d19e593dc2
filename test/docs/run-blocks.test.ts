import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createGateway } from 'headgate';
import { toFetchHandler } from 'headgate/fetch';
import { createFakeUpstream } from 'headgate/testing';
import { describe, expect, it, vi } from 'vitest';
import { makeKey } from '../harness.ts';
import { inRepository, readBlocks, readDocument, readDocuments } from './markdown.ts';

const configText = `export const config = {
  providers: { openai: { type: 'openai', apiKey: { env: 'OPENAI_API_KEY' } } },
  models: { 'gpt-4.1': { targets: ['openai'] } },
  profiles: { standard: {} },
  teams: { web: { profile: 'standard' } },
};
`;

/** Blocks that need nothing that a test has not: they make what they use. Those for a test runner are left to one. */
const found = readDocuments().flatMap((document) =>
  readBlocks(document)
    .filter(
      ({ language, text }) =>
        language === 'ts' && /= (createMemoryStores|await createFakeUpstream)\(/.test(text),
    )
    .filter(({ text }) => !text.includes("'node:test'"))
    .map(({ text, line }) => [`${document.path}:${line}`, text] as const),
);

describe('the way out in docs/extend.md', () => {
  it('has another target asked for one that it stops, and nothing counted for that', async () => {
    const { text = '' } =
      readBlocks(readDocument('docs/extend.md')).find((block) =>
        block.text.includes('createGuardedEgress'),
      ) ?? {};
    const directory = await mkdtemp(join(tmpdir(), 'headgate-egress-'));
    await using upstream = await createFakeUpstream();
    try {
      await symlink(inRepository('node_modules'), join(directory, 'node_modules'));
      await writeFile(join(directory, 'block.ts'), text);
      const { createGuardedEgress } = await import(
        /* @vite-ignore */ pathToFileURL(join(directory, 'block.ts')).href
      );
      const { key, record } = makeKey('web');
      const gateway = createGateway(
        {
          providers: {
            elsewhere: { type: 'openai', apiKey: 'x', baseUrl: 'http://192.0.2.1/v1' },
            here: { type: 'openai', apiKey: 'x', baseUrl: `${upstream.url}/v1` },
          },
          models: { 'gpt-4.1': { targets: ['elsewhere', 'here'] } },
          profiles: { standard: {} },
          teams: { web: { profile: 'standard' } },
          keys: [record],
        },
        { egress: createGuardedEgress(new Set([upstream.url])) },
      );
      const response = await toFetchHandler(gateway)(
        new Request('http://gateway/v1/chat/completions', {
          method: 'POST',
          headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
          body: JSON.stringify({ model: 'gpt-4.1', messages: [{ role: 'user', content: 'Hello' }] }),
        }),
      );
      expect(response.status).toBe(200);
      await response.text();
      await gateway.close();
      expect(gateway.records[0]?.attempts).toMatchObject([{ failure: 'connect' }, { status: 200 }]);
      expect(gateway.records[0]?.attempts[0]).not.toHaveProperty('usage');
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});

describe('programs in the documents that stand by themselves', () => {
  it.each(found)('run to their end: %s', async (_where, text) => {
    const directory = await mkdtemp(join(tmpdir(), 'headgate-block-'));
    const kek = join(directory, 'kek');
    const log = vi.spyOn(console, 'log').mockImplementation(() => {});
    vi.stubEnv('OPENAI_API_KEY', 'sk-upstream');
    vi.stubEnv('KEK_2026', Buffer.alloc(32, 1).toString('base64'));
    try {
      await writeFile(kek, Buffer.alloc(32, 2).toString('base64'));
      await symlink(inRepository('node_modules'), join(directory, 'node_modules'));
      await writeFile(join(directory, 'config.ts'), configText);
      const file = join(directory, 'block.ts');
      await writeFile(file, text.replace('/run/secrets/kek-2027', kek));
      await expect(import(/* @vite-ignore */ pathToFileURL(file).href)).resolves.toBeDefined();
      for (const call of log.mock.calls) expect(call).not.toContain(undefined);
    } finally {
      log.mockRestore();
      vi.unstubAllEnvs();
      await rm(directory, { recursive: true });
    }
  });

  it('are four', () => expect(found.map(([where]) => where)).toHaveLength(4));
});
