import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = new URL('../../', import.meta.url);

/** A fenced block of a document, or a comment of the form `<!-- at the provider: … -->`. */
export interface Block {
  /** `sh`, `ts`, `yaml`, `text`, …; `comment` for a comment. */
  readonly language: string;
  readonly text: string;
  /** Line of the document that it begins on, from 1. */
  readonly line: number;
}

/** A document of the repository. */
export interface Document {
  /** Relative to the root of the repository. */
  readonly path: string;
  readonly text: string;
}

/** Every document that is written for users. */
export function readDocuments(): Document[] {
  const names = readdirSync(new URL('docs/', root)).filter((name) => name.endsWith('.md'));
  const paths = ['README.md', 'CHANGELOG.md', 'DEVELOPERS.md', 'SECURITY.md', 'examples/README.md'];
  return [...paths, ...names.map((name) => `docs/${name}`)].map(readDocument);
}

/** One document by its path in the repository. */
export function readDocument(path: string): Document {
  return { path, text: readFileSync(new URL(path, root), 'utf8') };
}

/** Absolute path of a file of the repository. */
export function inRepository(path: string): string {
  return fileURLToPath(new URL(path, root));
}

/** The blocks of a document in their order. @throws Error when a fence is not closed */
export function readBlocks({ path, text }: Document): Block[] {
  const blocks: Block[] = [];
  let open: { language: string; line: number; lines: string[] } | undefined;
  for (const [index, line] of text.split('\n').entries()) {
    const fence = /^```(\S*)/.exec(line);
    const comment = /^<!-- (at the provider: .*) -->$/.exec(line);
    if (fence && !open) open = { language: fence[1] ?? '', line: index + 1, lines: [] };
    else if (fence && open) {
      blocks.push({ language: open.language, line: open.line, text: `${open.lines.join('\n')}\n` });
      open = undefined;
    } else if (open) open.lines.push(line);
    else if (comment) blocks.push({ language: 'comment', line: index + 1, text: comment[1] ?? '' });
  }
  if (open) throw new Error(`${path}:${open.line}: the fence is not closed.`);
  return blocks;
}
