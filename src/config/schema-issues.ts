import type * as z from 'zod';
import { type ConfigIssue, toPath } from './config-error.ts';
import { suggest } from './nearest-name.ts';

/** The part of zod's definitions used here. */
interface Definition {
  readonly type: string;
  readonly shape?: Record<string, z.core.$ZodType>;
  readonly innerType?: z.core.$ZodType;
  readonly valueType?: z.core.$ZodType;
  readonly element?: z.core.$ZodType;
  readonly in?: z.core.$ZodType;
  readonly options?: readonly z.core.$ZodType[];
}

/**
 * A schema's errors as issues that name the path, the value if it can be shown, and the fix if it is known.
 *
 * @param input what was parsed, for looking up values
 */
export function toConfigIssues(error: z.ZodError, schema: z.core.$ZodType, input: unknown): ConfigIssue[] {
  return error.issues.flatMap((issue) => {
    const path = toPath(issue.path);
    if (issue.code === 'unrecognized_keys') {
      const known = fieldsAt(schema, issue.path);
      return issue.keys.map((key) => ({
        path,
        message: `there is no field "${shorten(key)}"${suggest(key, known)}`,
      }));
    }
    // for a record's key, the inner issue says what is wrong
    const inside = issue.code === 'invalid_key' ? issue.issues[0]?.message : undefined;
    // here, records are those of keys and requests
    const message = inside ?? issue.message.replace('record', 'object');
    return [{ path, message: message + valueAt(input, issue.path) }];
  });
}

/** Names of the fields that an object at this path may have; none if unknown. */
function fieldsAt(schema: z.core.$ZodType, path: readonly PropertyKey[]): string[] {
  const definition = schema._zod.def as unknown as Definition;
  const inner = definition.innerType ?? definition.in;
  if (inner) return fieldsAt(inner, path);
  if (definition.options) return definition.options.flatMap((option) => fieldsAt(option, path));
  if (definition.shape && path.length === 0) return Object.keys(definition.shape);
  const next = definition.shape
    ? Object.hasOwn(definition.shape, path[0] as string)
      ? definition.shape[path[0] as string]
      : undefined
    : (definition.valueType ?? definition.element);
  return next && path.length > 0 ? fieldsAt(next, path.slice(1)) : [];
}

const unshown = new Set(['apiKey', 'credentials', 'headers', 'baseUrl', 'publicUrl', 'keys', 'env', 'file']);

/** ` (it is …)` for a short value that can hold no secret; otherwise nothing. */
function valueAt(input: unknown, path: readonly PropertyKey[]): string {
  if (path.length === 0 || path.some((key) => unshown.has(String(key)))) return '';
  let value = input;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return '';
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return ` (it is ${value})`;
  if (typeof value !== 'string' || value.length > 64 || looksSecret(value)) return '';
  return ` (it is ${JSON.stringify(value)})`;
}

// a secret in the wrong field is still a secret
function looksSecret(text: string): boolean {
  return /^(sk|hg|key|AIza|Bearer)[-_ ]/i.test(text) || /[A-Za-z0-9+/_=-]{24}/.test(text);
}

function shorten(text: string): string {
  return text.length > 64 ? `${text.slice(0, 64)}…` : text;
}
