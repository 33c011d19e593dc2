import { ConfigFileError } from './config-file-error.ts';

/**
 * Parses a YAML 1.2 configuration (core schema, one document). Refuses duplicate names, unknown tags and merge keys;
 * aliases may not expand the document to more than a hundred times its size.
 *
 * @throws ConfigFileError with line and column
 */
export async function parseYamlConfig(file: string, text: string): Promise<unknown> {
  // loaded only by those who write YAML
  const { isScalar, LineCounter, parseDocument, visit } = await import('yaml');
  const lineCounter = new LineCounter();
  const refuse = (offset: number, reason: string, cause?: unknown) => {
    const { line, col } = lineCounter.linePos(offset);
    return new ConfigFileError(file, reason, { place: { line, column: col }, cause });
  };
  const document = parseDocument(text, { lineCounter, strict: true, uniqueKeys: true, prettyErrors: false });
  const [problem] = [...document.errors, ...document.warnings];
  if (problem) {
    const reason = reasons[problem.code] ?? `not valid YAML: ${problem.message}`;
    throw refuse(problem.pos[0], reason, problem);
  }
  visit(document, {
    Pair(_, { key }) {
      if (isScalar(key) && key.value === '<<' && key.type === 'PLAIN') {
        throw refuse(key.range?.[0] ?? 0, 'merge keys are not known; write the fields out');
      }
    },
    Alias(_, alias) {
      if (alias.resolve(document)) return;
      throw refuse(
        alias.range?.[0] ?? 0,
        alias.source.length < 12
          ? `no anchor &${alias.source} stands before *${alias.source}; quote names that begin with *`
          : 'no anchor of this name stands before it; quote texts that begin with *',
      );
    },
  });
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (cause) {
    throw new ConfigFileError(file, `not valid YAML: ${(cause as Error).message}`, { cause });
  }
}

/** Replace messages in which the parser refers to its own interface or terms. */
const reasons: Partial<Record<string, string>> = {
  DUPLICATE_KEY: 'the same name stands twice in one mapping',
  BAD_ALIAS: 'not a name of an alias or anchor; quote texts that begin with * or &',
  // these quote the text, which may be a secret
  TAG_RESOLVE_FAILED: 'this tag is not known; quote texts that begin with !',
  MULTIPLE_DOCS: 'not one YAML document but several',
};
