import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it, vi } from 'vitest';
import { inRepository, readBlocks, readDocuments } from './markdown.ts';

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
