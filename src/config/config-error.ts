/** One problem in a configuration. */
export interface ConfigIssue {
  /** Where, such as `models.gpt-4.1.targets[0]`. */
  readonly path: string;
  readonly message: string;
}

/** A configuration that cannot be used, with every problem in it. */
export class ConfigError extends TypeError {
  override readonly name = 'ConfigError';
  readonly issues: readonly ConfigIssue[];

  constructor(issues: readonly ConfigIssue[]) {
    super(
      `The configuration is not valid:\n${issues.map((issue) => `  ${issue.path}: ${issue.message}`).join('\n')}`,
    );
    this.issues = issues;
  }
}

/** Spells a path of keys and indexes as one would write it. */
export function toPath(keys: readonly PropertyKey[]): string {
  return (
    keys.reduce<string>((path, key) => {
      if (typeof key === 'number') return `${path}[${key}]`;
      return path === '' ? String(key) : `${path}.${String(key)}`;
    }, '') || '(root)'
  );
}
