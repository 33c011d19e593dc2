import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { inRepository, readBlocks, readDocuments } from './markdown.ts';

/** What the blocks of a document import without showing it. */
const companions = {
  'config.ts': `import type { GatewayConfig } from 'headgate';
    export declare const config: GatewayConfig;`,
  'gateway.ts': `import type { Gateway } from 'headgate';
    export declare const gateway: Gateway;`,
};

/** Every TypeScript block as a file of its own, with what it imports beside it. They exist in memory only. */
function toFiles(): Map<string, string> {
  const files = new Map<string, string>();
  for (const document of readDocuments()) {
    const name = document.path.replaceAll('/', '-').replace('.md', '');
    for (const block of readBlocks(document)) {
      if (block.language !== 'ts') continue;
      const named = /^\/\/ ([\w-]+\.ts)/.exec(block.text)?.[1];
      // blocks that name their files import each other
      const depth = block.text.includes("'../../gateway.ts'") ? 'a/b' : '.';
      const directory = inRepository(`test/docs/in-memory/${name}`);
      const file = `${directory}/${depth}/${named ?? `line-${block.line}.ts`}`.replace('/./', '/');
      files.set(file, block.text);
      for (const [companion, text] of Object.entries(companions)) {
        const place = `${directory}/${companion}`;
        if (!files.has(place)) files.set(place, text);
      }
    }
  }
  return files;
}

function check(files: ReadonlyMap<string, string>): string[] {
  const configFile = inRepository('tsconfig.json');
  const { config } = ts.readConfigFile(configFile, (path) => readFileSync(path, 'utf8'));
  const { options } = ts.parseJsonConfigFileContent(
    { ...config, include: [], files: [] },
    ts.sys,
    dirname(configFile),
  );
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile, getSourceFile, directoryExists } = host;
  const directories = new Set([...files.keys()].map((file) => dirname(file)));
  host.fileExists = (file) => files.has(file) || fileExists(file);
  host.readFile = (file) => files.get(file) ?? readFile(file);
  host.directoryExists = (path) => directories.has(path) || directoryExists?.(path) === true;
  host.getSourceFile = (file, version, ...rest) => {
    const text = files.get(file);
    if (text === undefined) return getSourceFile(file, version, ...rest);
    return ts.createSourceFile(file, text, version);
  };
  const program = ts.createProgram({ rootNames: [...files.keys()], options, host });
  return [...files.keys()].flatMap((file) => {
    const source = program.getSourceFile(file);
    const found = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
    return found.map(({ messageText, start = 0 }) => {
      const line = source?.getLineAndCharacterOfPosition(start).line ?? 0;
      const where = file.slice(file.indexOf('in-memory/') + 10);
      return `${where}, line ${line + 1}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
    });
  });
}

describe('the TypeScript in the documents', () => {
  const files = toFiles();

  it('compiles against the package, block by block', { timeout: 300_000 }, () => {
    expect(files.size).toBeGreaterThan(25);
    expect(check(files)).toEqual([]);
  });

  it('would not compile with a mistake in it', { timeout: 300_000 }, () => {
    const file = inRepository('test/docs/in-memory/mistake/line-1.ts');
    const text = "import { createGateway } from 'headgate';\ncreateGateway({ providers: 7 });\n";
    expect(check(new Map([[file, text]]))).toEqual([expect.stringContaining('line 2')]);
  });
});
