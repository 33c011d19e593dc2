import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/**
 * Counts the texts of `test/limits/token-corpus` with real tokenizers and writes `counts.json` beside them. Run it when
 * a text is added. It installs `gpt-tokenizer` for itself, outside of the repository.
 *
 *     node scripts/token-corpus.ts
 */
const encodings = ['o200k_base', 'cl100k_base'] as const;
const corpus = fileURLToPath(new URL('../test/limits/token-corpus/', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'headgate-tokens-'));
try {
  execFileSync('npm', ['install', '--no-save', '--silent', '--prefix', directory, 'gpt-tokenizer@3'], {
    stdio: 'inherit',
  });
  const counts: Record<string, Record<string, number>> = {};
  for (const encoding of encodings) {
    const file = join(directory, 'node_modules/gpt-tokenizer/esm/encoding', `${encoding}.js`);
    const { encode } = (await import(pathToFileURL(file).href)) as { encode(text: string): number[] };
    for (const name of readdirSync(corpus).filter((each) => each.endsWith('.txt'))) {
      const tokens = encode(readFileSync(join(corpus, name), 'utf8')).length;
      counts[name] = { ...counts[name], [encoding]: tokens };
    }
  }
  writeFileSync(join(corpus, 'counts.json'), `${JSON.stringify(counts, null, 2)}\n`);
} finally {
  rmSync(directory, { recursive: true, force: true });
}
