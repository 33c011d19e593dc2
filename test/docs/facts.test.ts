import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { GatewayError, type GatewayErrorCode } from 'headgate';
import { describe, expect, it } from 'vitest';
import { configSchema } from '../../src/config/schema.ts';
import { createDirectory, run } from '../cli/harness.ts';
import { type Document, inRepository, readBlocks, readDocument, readDocuments } from './markdown.ts';

const documents = readDocuments();

/** The anchors that a document has, as the sites that show it make them. */
function anchorsOf({ text }: Document): Set<string> {
  const prose = text.replace(/^```.*?^```/gms, '');
  const headings = [...prose.matchAll(/^#+ (.+)$/gm)].map((match) => match[1] ?? '');
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

describe.each(documents.map((document) => [document.path, document] as const))('%s', (path, document) => {
  it('links to what is there', () => {
    const links = [...document.text.matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1] ?? '');
    const broken = links.filter((link) => {
      if (/^https?:/.test(link)) return false;
      const [file = '', anchor] = link.split('#');
      const target = file === '' ? path : join(dirname(path), file);
      if (!existsSync(inRepository(target))) return true;
      return anchor !== undefined && !anchorsOf(readDocument(target)).has(anchor);
    });
    expect(broken).toEqual([]);
  });
});

/** A command of the documents, as far as it can be judged without running it. */
interface Mention {
  readonly where: string;
  readonly words: readonly string[];
  readonly options: readonly string[];
}

function readMentions(document: Document): Mention[] {
  return readBlocks(document)
    .filter(({ language }) => language === 'sh')
    .flatMap(({ text, line }) =>
      [...text.matchAll(/(?<=^|[\s(])headgate ([a-z][^|)#>&\n]*)/g)].map((match) => {
        // what stands in quotes is a value
        const words = (match[1] ?? '')
          .replace(/'[^']*'|"[^"]*"/g, 'value')
          .trim()
          .split(/\s+/);
        return {
          where: `${document.path}:${line}: headgate ${words.join(' ')}`,
          words: words.filter((word) => !word.startsWith('-')),
          options: words.filter((word) => word.startsWith('-')).map((word) => word.split('=')[0] ?? ''),
        };
      }),
    );
}

describe('the commands in the documents', () => {
  const mentions = documents.flatMap(readMentions);

  it('exist, with the options that they are given', async () => {
    const helps = new Map<string, string>();
    const wrong: string[] = [];
    for (const { where, words, options } of mentions) {
      const [first = '', second = ''] = words;
      let help = '';
      for (const name of [`${first} ${second}`, first]) {
        if (!helps.has(name)) helps.set(name, (await run([...name.trim().split(' '), '--help'])).stdout);
        help = helps.get(name) ?? '';
        if (help.startsWith(`headgate ${name}:`)) break;
      }
      const known = new Set(
        [...help.matchAll(/^ {2}(?:(-\w), )?(--[\w-]+)/gm)].flatMap(([, short, long]) => [short, long]),
      );
      if (known.size === 0 || options.some((option) => !known.has(option))) wrong.push(where);
    }
    expect(wrong).toEqual([]);
    expect(mentions.length).toBeGreaterThan(50);
  });

  it('are all of those that there are', async () => {
    const { stdout } = await run(['--help']);
    const section = stdout.slice(stdout.indexOf('Commands'), stdout.indexOf('Options'));
    const names = [...section.matchAll(/^ {2}(\S+(?: \S+)?) {2,}/gm)].map((match) => match[1] ?? '');
    expect(names.length).toBeGreaterThan(15);
    const mentioned = mentions.map(({ words }) => words.join(' '));
    expect(names.filter((name) => !mentioned.some((text) => `${text} `.startsWith(`${name} `)))).toEqual([]);
  });
});

describe('docs/wire.md', () => {
  it('has every error code with its status', () => {
    const { text } = readDocument('docs/wire.md');
    const source = readFileSync(inRepository('src/errors.ts'), 'utf8');
    const codes = [...source.matchAll(/^ {2}([a-z_]+): \d{3},$/gm)].map(
      (match) => match[1] as GatewayErrorCode,
    );
    expect(codes.length).toBeGreaterThan(35);
    const rows = text.split('\n').filter((line) => line.startsWith('| `'));
    const missing = codes.filter((code) => {
      const { status } = new GatewayError(code, '');
      return !rows.some((row) => row.split('|')[1]?.includes(`\`${code}\``) && row.includes(`| ${status} |`));
    });
    expect(missing).toEqual([]);
  });
});

describe('the headers that callers give', () => {
  it('are all in the documents', () => {
    const sources = globSync('src/**/*.ts', { cwd: inRepository('.') });
    const named = sources.flatMap((path) =>
      [...readFileSync(inRepository(path), 'utf8').matchAll(/'(x-headgate-[a-z-]+)'/g)].map(
        (match) => match[1],
      ),
    );
    expect(new Set(named).size).toBeGreaterThan(8);
    const text = documents.map((document) => document.text).join();
    expect(named.filter((name) => !text.includes(`\`${name}`))).toEqual([]);
  });
});

describe('docs/govern.md', () => {
  it('names every part of the configuration, and every field of a model, a profile, a project and a user', () => {
    const { text } = readDocument('docs/govern.md');
    const { models, profiles, projects, users, organisation } = configSchema().shape;
    const fieldsOf = (schema: unknown): string[] => {
      const { def, shape } = schema as { def?: { valueType?: unknown; innerType?: unknown }; shape?: object };
      if (shape) return Object.keys(shape);
      return fieldsOf(def?.valueType ?? def?.innerType);
    };
    const fields = [models, profiles, projects, users, organisation].flatMap(fieldsOf);
    const all = new Set([...Object.keys(configSchema().shape), ...fields]);
    expect(all.size).toBeGreaterThan(30);
    expect([...all].filter((field) => !new RegExp(`\\b${field}\\b`).test(text))).toEqual([]);
  });
});

describe('the configurations in the documents', () => {
  const found = documents.flatMap((document) =>
    readBlocks(document)
      .filter(({ language, text }) => language === 'yaml' && text.startsWith('# headgate.config.yaml'))
      .map(({ text, line }) => [`${document.path}:${line}`, text] as const),
  );

  it.each(found)('are valid: %s', async (_where, text) => {
    await using directory = await createDirectory({ 'headgate.config.yaml': text });
    const result = await run(['check', '--skip-secrets'], { cwd: directory.path });
    expect(result).toMatchObject({ code: 0, stderr: '' });
  });

  it('are two', () => expect(found.length).toBe(2));
});
